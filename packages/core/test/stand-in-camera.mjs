// A camera program that behaves as it is told: writes the JPEGs of a folder to its standard output.
// Arguments: the folder, and what to do as JSON.
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [folder, settings] = process.argv.slice(2);
const {
  /** Milliseconds from one picture to the next. */
  everyMs = 5,
  /** What it does after so many pictures. */
  frames = Number.POSITIVE_INFINITY,
  afterwards = 'end',
  /** What is wrong with every third picture: half, corrupt. */
  damage,
  /** A file for a line a picture: its number, and when it was written. */
  log,
  /** A file that remembers from run to run: only the first run does `afterwards`, later ones go on. */
  once,
  /** Pictures begin with the one of this number, and begin again at the end. */
  first = 0,
} = JSON.parse(settings ?? '{}');
const pictures = readdirSync(folder)
  .filter((name) => name.endsWith('.jpg'))
  .sort((left, right) => Number.parseInt(left, 10) - Number.parseInt(right, 10))
  .map((name) => readFileSync(join(folder, name)));
const isTame = once !== undefined && existsSync(once);
if (once !== undefined) writeFileSync(once, '');

const write = (data) => new Promise((resolve) => process.stdout.write(data, resolve));
let started = performance.now();
for (let number = 0; isTame || number < frames; number += 1) {
  const wait = started + number * everyMs - performance.now();
  if (wait > 0) await sleep(wait);
  else if (wait < -1000) started -= wait;
  const picture = pictures[(first + number) % pictures.length];
  const isBad = damage !== undefined && number % 3 === 2;
  if (log) appendFileSync(log, `${(first + number) % pictures.length} ${Date.now()}\n`);
  if (isBad && damage === 'half') await write(picture.subarray(0, picture.length >> 1));
  // Without its frame header it cannot be decoded.
  else if (isBad && damage === 'corrupt')
    await write(Buffer.concat([picture.subarray(0, 20), picture.subarray(-2)]));
  else await write(picture);
}
switch (afterwards) {
  case 'stall':
    process.on('SIGINT', () => {});
    await sleep(1e8);
    break;
  case 'crash':
    process.stderr.write('sensor timeout at rtsp://anna:secret@10.0.0.5/stream\n');
    process.exit(3);
    break;
  case 'abort':
    process.kill(process.pid, 'SIGKILL');
    break;
  case 'flood':
    for (const zeros = Buffer.alloc(1 << 20, 7); ; ) await write(zeros);
}
