import { PassingMap } from './passing-map';

type Listener = () => void;

const listeners = new WeakMap<AbortSignal, PassingMap<Listener, true>>();

/**
 * Calls `listener` when the signal is aborted; what it gives back takes the listener away again. An
 * AbortSignal looks through all its listeners for each new one: with thousands of messages in flight on one
 * signal that costs more than all else, so they share one.
 */
export function onAbort(signal: AbortSignal, listener: Listener): () => void {
  const shared = listeners.get(signal) ?? share(signal);
  shared.set(listener, true);
  return () => shared.delete(listener);
}

function share(signal: AbortSignal): PassingMap<Listener, true> {
  const shared = new PassingMap<Listener, true>();
  listeners.set(signal, shared);
  const abort = () => {
    // One of them may take another away.
    for (const listener of [...shared.keys()]) if (shared.has(listener)) listener();
  };
  signal.addEventListener('abort', abort, { once: true });
  return shared;
}
