import { syncFolder } from './file-system';

/** Writes names to the disk: those that come while a folder is being written share the next time. */
export class FolderSync {
  readonly #running = new Map<string, Promise<boolean>>();
  readonly #next = new Map<string, Promise<boolean>>();

  /** As `syncFolder()`, begun after this call: what was named before it is on the disk when it resolves. */
  sync(folder: string): Promise<boolean> {
    const running = this.#running.get(folder);
    if (!running) return this.#run(folder);
    let next = this.#next.get(folder);
    if (!next) {
      const begin = () => {
        this.#next.delete(folder);
        return this.#run(folder);
      };
      next = running.then(begin, begin);
      this.#next.set(folder, next);
    }
    return next;
  }

  #run(folder: string): Promise<boolean> {
    const running = syncFolder(folder).finally(() => {
      if (this.#running.get(folder) === running) this.#running.delete(folder);
    });
    this.#running.set(folder, running);
    return running;
  }
}
