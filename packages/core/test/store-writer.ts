import { createHash, randomBytes } from 'node:crypto';
import { FileStore } from '../src/sinks/file-store';

// Stores random files, eight at a time, until it is killed. Each is named by its hash; the name is printed
// once the file is said to be durable.
const store = new FileStore(process.argv[2] ?? '');
await store.open();
await Promise.all(
  Array.from({ length: 8 }, async () => {
    for (;;) {
      const data = randomBytes(1 + Math.floor(Math.random() ** 4 * 1_000_000));
      const hash = createHash('sha256').update(data).digest('hex');
      await store.put(`files/${hash.slice(0, 2)}/${hash}.bin`, data);
      process.stdout.write(`${hash}\n`);
    }
  }),
);
