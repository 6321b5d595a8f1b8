import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../materials';
import { audit, damagedIn, idFor, keysIn } from './audit';
import { IdLog, readIds } from './id-log';

const key = (id: string) => `chaos/dt=2026-01-02/hour=03/${id}.bin`;

describe('what the audit of a chaos run sees', () => {
  it('nothing where each id has one object', () => {
    expect(audit(['a-1', 'a-2'], [key('a-1'), key('a-2'), key('a-3')])).toEqual({
      published: 2,
      stored: 3,
      lost: [],
      doubled: [],
    });
  });

  it('a loss', () => {
    expect(audit(['a-1', 'a-2', 'a-10'], [key('a-1'), key('a-10')]).lost).toEqual(['a-2']);
  });

  it('a second object under another key', () => {
    const other = 'chaos/dt=2026-01-02/hour=04/a-1.bin';
    expect(audit(['a-1'], [key('a-1'), other]).doubled).toEqual([other]);
  });

  it.each(['conflicts', 'rejected'])('what is kept under %s', (place) => {
    expect(audit([], [`${place}/dt=2026-01-02/hour=03/a-1.bin`]).doubled).toHaveLength(1);
  });

  it('other bytes than those that the id names', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'chaos', '.incoming'), { recursive: true });
    const [one, two] = [Buffer.from('one'), Buffer.from('two')];
    await writeFile(join(folder, 'chaos', `${idFor('a-1', one)}.bin`), one);
    await writeFile(join(folder, 'chaos', `${idFor('a-2', one)}.bin`), two);
    expect(await damagedIn(folder, await keysIn(folder))).toEqual([`chaos/${idFor('a-2', one)}.bin`]);
  });
});

describe('the log of ids', () => {
  it('holds what was added, and of a torn line nothing', async () => {
    const folder = join(await temporaryFolder(), 'logs');
    const log = await IdLog.open(folder, 'first');
    for (const id of ['a', 'b', 'c']) log.add(id);
    await log.settled();
    log.add('d');
    await log.settled();
    await writeFile(join(folder, 'second.log'), 'e\nf');
    expect(await readIds(folder)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(await readIds(join(folder, 'nowhere'))).toEqual([]);
  });
});
