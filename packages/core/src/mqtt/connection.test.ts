import { expect, it } from 'vitest';
import { freePort } from '../testing/free-port';
import { Connection } from './connection';

it.each(['The lamp is out of reach.', 'The lamp is out of reach'])(
  'a connection that fails over %j says it as one sentence',
  async (message) => {
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    const error = await new Promise<Error>((failed) => {
      const connection = new Connection(
        { url },
        {
          stage: 'publisher',
          session: { clean: true },
          up() {},
          down() {},
          retrying() {
            throw new Error(message);
          },
          failed,
        },
      );
      connection.open();
    });
    expect(error.message).toBe('publisher: cannot connect: The lamp is out of reach.');
  },
);
