import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { bytesOf, type Container } from './container';

export interface Service {
  readonly image: string;
  readonly command: readonly string[];
  readonly read_only?: boolean;
  readonly logging: { readonly driver: string; readonly options: Readonly<Record<string, string>> };
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly ports?: readonly string[];
  readonly devices?: readonly string[];
  readonly privileged?: boolean;
  readonly user?: string;
  readonly group_add?: readonly string[];
  readonly mem_limit: string;
  readonly stop_grace_period: string;
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

/** Reads a compose file, with variables in its values. @throws for one that must be set and is not */
export function readComposeFile(path: string, variables: Readonly<Record<string, string>>): ComposeFile {
  return parse(readFileSync(path, 'utf8'), (_key, value) => filled(value, variables), { merge: true });
}

export function containersIn({ services, secrets }: ComposeFile): Container[] {
  return Object.entries(services).map(([name, service]) => {
    const mounts = (service.volumes ?? []).map((mount) => mount.split(':') as [string, string]);
    const handed = (service.secrets ?? []).map((secret) => [
      `/run/secrets/${secret}`,
      secrets[secret]!.file.replace('./', ''),
    ]);
    return {
      name,
      image: service.image,
      arguments: service.command,
      environment: service.environment ?? {},
      files: Object.fromEntries([
        ...mounts.filter(([from]) => from.startsWith('./')).map(([from, to]) => [to, from.slice(2)]),
        ...handed,
      ]),
      volumes: Object.fromEntries(
        mounts.filter(([from]) => !from.startsWith('.')).map(([from, to]) => [to, from]),
      ),
      user: service.user === undefined ? undefined : Number.parseInt(service.user, 10),
      groups: (service.group_add ?? []).map(Number),
      memoryBytes: bytesOf(service.mem_limit),
      stopSeconds: Number.parseInt(service.stop_grace_period, 10),
      isReadOnly: service.read_only ?? false,
    };
  });
}

/** `${NAME:-default}` and `${NAME:?complaint}`, as compose reads them. */
function filled(value: unknown, variables: Readonly<Record<string, string>>): unknown {
  if (typeof value !== 'string') return value;
  return value.replaceAll(/\$\{(\w+):([-?])([^}]*)\}/g, (_, name: string, kind: string, text: string) => {
    const given = variables[name];
    if (given) return given;
    if (kind === '?') throw new Error(`${name}: ${text}`);
    return text;
  });
}
