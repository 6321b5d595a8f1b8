import { readFileSync } from 'node:fs';

/** A field of /proc/[pid]/status (proc(5)), in bytes: all resident memory, or what is not the pages of files. */
export function statusBytes(pid: number | 'self', field: 'VmRSS' | 'RssAnon'): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
}

export function mebibytes(bytes: number): number {
  return Math.round((bytes / 1024 / 1024) * 10) / 10;
}
