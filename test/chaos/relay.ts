import { join } from 'node:path';
import {
  type FaultProxy,
  freePort,
  mosquittoParty,
  type Party,
  programParty,
  startFaultProxy,
} from 'edge-relay/testing';
import type { RoleSettings } from './roles';

export interface RelayOptions {
  readonly folder: string;
  /** The program that runs a role: it is given the role's name and its settings as JSON. */
  readonly program: string;
  readonly withReceipts: boolean;
  readonly writes: RoleSettings['writes'];
  readonly messagesPerSecond: number;
}

type Figures = Readonly<Record<string, number>>;

/** The whole relay: five processes, and four links between them that can be broken. */
export class Relay {
  readonly links: Readonly<Record<string, FaultProxy>>;
  readonly parties: readonly Party[];
  readonly store: string;
  readonly logs: string;
  /** What the running process of each party has told last. */
  readonly #latest = new Map<string, Figures>();
  /** What those before it had told last, added up. */
  readonly #earlier = new Map<string, Record<string, number>>();

  private constructor(options: RelayOptions, links: Record<string, FaultProxy>, ports: [number, number]) {
    const { folder, program, withReceipts, writes, messagesPerSecond } = options;
    this.links = links;
    this.store = join(folder, 'store');
    this.logs = join(folder, 'published');
    const role = (name: string, edge?: FaultProxy, cloud?: FaultProxy) => {
      const [edgePort, cloudPort] = [edge?.port ?? 0, cloud?.port ?? 0];
      const settings: RoleSettings = { folder, edgePort, cloudPort, withReceipts, writes, messagesPerSecond };
      const onLine = (line: string) => void this.#latest.set(name, JSON.parse(line));
      const party = programParty(name, process.execPath, [program, name, JSON.stringify(settings)], {
        onLine,
      });
      const start = () => {
        this.#addUp(name);
        return party.start();
      };
      return { name, start };
    };
    this.parties = [
      mosquittoParty('edge-broker', ports[0]),
      mosquittoParty('cloud-broker', ports[1]),
      role('sink', undefined, links['sink-cloud']),
      role('bridge', links['bridge-edge'], links['bridge-cloud']),
      role('publisher', links['publisher-edge']),
    ];
  }

  static async create(options: RelayOptions): Promise<Relay> {
    const [edge, cloud] = [await freePort(), await freePort()];
    const ends = { 'publisher-edge': edge, 'bridge-edge': edge, 'bridge-cloud': cloud, 'sink-cloud': cloud };
    const links: Record<string, FaultProxy> = {};
    for (const [name, targetPort] of Object.entries(ends))
      links[name] = await startFaultProxy({ targetPort });
    return new Relay(options, links, [edge, cloud]);
  }

  /** A figure of a party over all its lives; what it did in the last quarter of a second of each is missing. */
  total(party: string, figure: string): number {
    return (this.#earlier.get(party)?.[figure] ?? 0) + (this.#latest.get(party)?.[figure] ?? 0);
  }

  /** What the running process of a party has told last. */
  figures(party: string): Figures {
    return this.#latest.get(party) ?? {};
  }

  /** What the running process of each party has told last. */
  get latest(): Readonly<Record<string, Figures>> {
    return Object.fromEntries(this.#latest);
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.links).map((link) => link.close()));
  }

  #addUp(name: string): void {
    const sums = this.#earlier.get(name) ?? {};
    for (const [figure, value] of Object.entries(this.#latest.get(name) ?? {})) {
      if (typeof value === 'number') sums[figure] = (sums[figure] ?? 0) + value;
    }
    this.#earlier.set(name, sums);
    this.#latest.delete(name);
  }
}
