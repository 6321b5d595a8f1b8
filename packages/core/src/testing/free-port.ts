import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below those that outgoing connections take (from 32,768 on Linux, from 49,152 elsewhere). */
const [FIRST, LAST] = [12_000, 32_000];

/**
 * A TCP port on loopback that nobody listens on, and that no outgoing connection takes: a server may go away
 * and come back to it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
