import { bootId } from 'edge-relay';

/** The faces that the local broker has and the bridge has not forwarded yet; the news may come in either order. */
export class UnfinishedIds {
  readonly #published = new Set<string>();
  readonly #forwarded = new Set<string>();
  #wake: (() => void) | undefined;

  published(id: string): void {
    if (!this.#forwarded.delete(id)) this.#published.add(id);
  }

  forwarded(id: string): void {
    // The bridge also forwards what others publish.
    if (!id.includes(`-${bootId()}-`)) return;
    if (!this.#published.delete(id)) this.#forwarded.add(id);
    if (this.#published.size === 0) this.#wake?.();
  }

  /** Waits for them no longer. */
  forget(): void {
    this.#published.clear();
    this.#wake?.();
  }

  /** Resolves when there are none. */
  async none(signal: AbortSignal): Promise<void> {
    if (this.#published.size === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#wake = resolve;
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }
}
