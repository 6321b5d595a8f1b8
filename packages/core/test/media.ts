import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deflateSync } from 'node:zlib';
import { afterAll, beforeAll } from 'vitest';

const require = createRequire(import.meta.url);

/** A file that an npm package ships, whether or not the package lets it be imported. */
export function shipped(name: string, ...path: string[]): string {
  const folders = (require.resolve.paths(name) ?? []).map((folder) => join(folder, name));
  const folder = folders.find((candidate) => existsSync(candidate));
  if (folder) return join(folder, ...path);
  throw new Error(`The npm package ${name} is not installed. Run npm run setup.`);
}

/** The ffmpeg of the npm package, version 4.1: always there. */
export const packagedFfmpeg: string = require('@ffmpeg-installer/ffmpeg').path;

/** A folder of its own for the tests of a file, removed after them; call it at the top of the file. */
export function temporaryFolder(): { readonly path: string; folder(name: string): Promise<string> } {
  let path = '';
  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), 'edge-relay-'));
  });
  afterAll(() => rm(path, { recursive: true, force: true }));
  return {
    get path() {
      return path;
    },
    async folder(name) {
      await mkdir(join(path, name), { recursive: true });
      return join(path, name);
    },
  };
}

/** Runs the packaged ffmpeg to make a file for a test. */
export async function makeVideo(...options: string[]): Promise<void> {
  await promisify(execFile)(packagedFfmpeg, ['-nostdin', '-loglevel', 'error', '-y', ...options]);
}

/** A black PNG, 1 bit a pixel: a large one costs a few kilobytes. */
export function blackPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.writeUInt8(1, 8);
  const rows = Buffer.alloc((Math.ceil(width / 8) + 1) * height);
  const chunks = [chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...chunks]);
}

/** A chunk of a PNG: length, type, data, CRC-32 (PNG specification, section 5.3). */
function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  let crc = 0xffffffff;
  for (const byte of body) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(~crc >>> 0);
  return Buffer.concat([length, body, check]);
}
