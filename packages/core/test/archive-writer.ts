import { Sink } from '../src/sinks/sink';
import { archiveMessage } from './archive-messages';

// Stores the messages from `first` on in a folder or a bucket, with a manifest that is gathered all the time, until it is
// killed or has stored `last`. Prints the number of each that is acknowledged.
const [place = '', first, last, s3 = '{}'] = process.argv.slice(2);
const sink = new Sink(place, {
  accept: 'any',
  concurrency: 8,
  s3: JSON.parse(s3),
  manifest: { rows: 5, delayMs: 10, compactAfterParts: 3 },
});
let next = Number(first);
const store = async () => {
  for (let number = next++; number <= Number(last); number = next++) {
    await sink.write(archiveMessage(number));
    process.stdout.write(`${number}\n`);
  }
};
await Promise.all(Array.from({ length: sink.concurrency }, store));
await sink.close();
