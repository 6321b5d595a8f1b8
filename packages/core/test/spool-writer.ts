import { createHash, randomBytes } from 'node:crypto';
import { LentCopies } from '../src/slab';
import { LmdbSpool } from '../src/spool/lmdb-spool';

// Appends random messages, sixteen at a time, and removes some of them, until it is killed. Each is named by
// its hash; the name is printed once the message is said to be durable, and with a minus before it is removed. Half of the writers
// have payloads that lie in slabs, as those do that came over a connection.
const spool = new LmdbSpool(process.argv[2] ?? '');
await spool.open();
const copies = new LentCopies();
await Promise.all(
  Array.from({ length: 16 }, async (_, writer) => {
    for (;;) {
      const bytes = randomBytes(16 + Math.floor(Math.random() ** 4 * 60_000));
      const payload = writer % 2 === 0 ? bytes : copies.copy(bytes);
      const id = createHash('sha256').update(payload).digest('hex');
      const entry = await spool.append({ id, payload, properties: { writer: String(writer) } });
      process.stdout.write(`${id}\n`);
      if (Math.random() < 0.3 && entry) {
        process.stdout.write(`-${id}\n`);
        await spool.remove(entry.position);
      }
    }
  }),
);
