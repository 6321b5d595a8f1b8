import { readdirSync, readFileSync } from 'node:fs';

/** Command lines of running processes that hold a text; a zombie has none. */
export function commandsWith(text: string): string[] {
  return processes((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')).filter(
    (command) => command.includes(text),
  );
}

/** The process numbers of our children, zombies too. */
export function children(): string[] {
  return processes((pid) => {
    const parent = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[1];
    return parent === String(process.pid) ? pid : '';
  });
}

/** How many file descriptors we have open. */
export function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

function processes(look: (pid: string) => string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return look(pid);
      } catch {
        return '';
      }
    })
    .filter((found) => found !== '');
}
