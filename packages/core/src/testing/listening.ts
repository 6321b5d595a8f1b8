import { connect } from 'node:net';

/** Resolves when something listens on the port; rejects with what `failure` says, or after ten seconds. */
export async function listening(port: number, failure: () => string | false): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const failed = failure();
    if (failed) throw new Error(failed);
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`nothing listens on port ${port} after ten seconds`);
}
