/**
 * Calls listeners. What one of them throws comes up as an uncaught error of its own, as it would from any
 * event, and not in the middle of our work.
 */
export function apart(emit: () => unknown): void {
  try {
    emit();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
