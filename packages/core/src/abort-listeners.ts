type Listener = () => void;

const listeners = new WeakMap<AbortSignal, Set<Listener>>();

/**
 * Calls `listener` when the signal is aborted; what it gives back takes the listener away again. An
 * AbortSignal looks through all its listeners for each new one: with thousands of messages in flight on one
 * signal that costs more than all else, so they share one.
 */
export function onAbort(signal: AbortSignal, listener: Listener): () => void {
  const shared = listeners.get(signal) ?? share(signal);
  shared.add(listener);
  return () => shared.delete(listener);
}

function share(signal: AbortSignal): Set<Listener> {
  const shared = new Set<Listener>();
  listeners.set(signal, shared);
  const abort = () => {
    for (const listener of shared) listener();
  };
  signal.addEventListener('abort', abort, { once: true });
  return shared;
}
