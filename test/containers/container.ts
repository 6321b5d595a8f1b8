/** A container as it is described, be it in a compose file or in a manifest of Kubernetes. */
export interface Container {
  readonly name: string;
  readonly image: string;
  /** What comes after the image's entry point. */
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Files of the machine's folder, by where the container sees them. */
  readonly files: Readonly<Record<string, string>>;
  /** Names of volumes, by where the container sees them. */
  readonly volumes: Readonly<Record<string, string>>;
  /** Number of the user; undefined leaves it to the image. */
  readonly user: number | undefined;
  readonly groups: readonly number[];
  readonly memoryBytes: number;
  /** From SIGTERM to SIGKILL. */
  readonly stopSeconds: number;
  readonly isReadOnly: boolean;
}

/** `512m`, `1g`, `512Mi`, `1Gi` in bytes. */
export function bytesOf(size: string): number {
  const [, count, unit] = /^(\d+)([mg])i?$/i.exec(size) ?? [];
  if (unit === undefined) throw new Error(`cannot read the size ${size}`);
  return Number(count) * (unit.toLowerCase() === 'g' ? 1024 : 1) * 1024 * 1024;
}

/** The lines `NAME=value` of a file of variables. */
export function readVariables(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(lines.map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]));
}
