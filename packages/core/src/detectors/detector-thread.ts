import { Worker } from 'node:worker_threads';
import { messageOf, RelayError } from '../errors';
import type {
  WorkerFindings,
  WorkerReady,
  WorkerReply,
  WorkerRequest,
  WorkerSettings,
} from './worker-protocol';

export interface DetectorThreadOptions {
  readonly url: URL;
  readonly settings: WorkerSettings;
  /** The stage to name in an error. */
  readonly stage: string;
  /** Where the cascade or the model came from, for an error. */
  readonly modelPath: string;
}

interface Pending {
  resolve(reply: WorkerReply): void;
  reject(error: RelayError): void;
}

/** A thread with a model in it. One image at a time; idle, it does not keep the process alive. */
export class DetectorThread {
  readonly #options: DetectorThreadOptions;
  readonly #worker: Worker;
  #pending: Pending | undefined;
  #failure: RelayError | undefined;
  #started = false;
  #heapBytes = 0;
  #window: WorkerReady['window'] = { width: 0, height: 0 };

  /** @throws {RelayError} `MODEL_INVALID` or `DETECTOR_FAILED`. */
  static async start(options: DetectorThreadOptions): Promise<DetectorThread> {
    const thread = new DetectorThread(options);
    const reply = (await thread.#reply()) as WorkerReady;
    thread.#started = true;
    thread.#heapBytes = reply.heapBytes;
    thread.#window = reply.window;
    return thread;
  }

  private constructor(options: DetectorThreadOptions) {
    this.#options = options;
    this.#worker = new Worker(options.url, {
      workerData: options.settings,
      // Flags meant for the main program, such as --input-type, would keep the thread from starting.
      execArgv: [],
      // What OpenCV prints is its own view of errors that are reported here properly. It is a few lines, and
      // stays unread: reading it would keep the process alive.
      stdout: true,
      stderr: true,
    });
    this.#worker.on('message', (reply: WorkerReply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#fail(messageOf(error), error));
    this.#worker.on('exit', (code) => this.#fail(`its thread ended with code ${code}`));
  }

  /** False once it has failed: it is of no more use. */
  get alive(): boolean {
    return this.#failure === undefined;
  }

  get heapBytes(): number {
    return this.#heapBytes;
  }

  get window(): WorkerReady['window'] {
    return this.#window;
  }

  /** Takes over the buffers of the pixels. @throws {RelayError} `DETECTOR_FAILED`. */
  async detect(request: WorkerRequest): Promise<WorkerFindings> {
    if (this.#failure) throw this.#failure;
    const replied = this.#reply();
    this.#worker.postMessage(
      request,
      request.looks.map(({ image }) => image.data.buffer as ArrayBuffer),
    );
    const reply = await replied;
    this.#heapBytes = reply.heapBytes;
    return reply as WorkerFindings;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  async #reply(): Promise<Exclude<WorkerReply, { kind: 'failure' }>> {
    this.#worker.ref();
    try {
      const reply = await new Promise<WorkerReply>((resolve, reject) => {
        this.#pending = { resolve, reject };
      });
      if (reply.kind !== 'failure') return reply;
      throw this.#describe(reply.code, reply.reason);
    } catch (error) {
      this.#failure ??= error as RelayError;
      await this.close();
      throw error;
    } finally {
      this.#pending = undefined;
      this.#worker.unref();
    }
  }

  #settle(reply: WorkerReply): void {
    this.#pending?.resolve(reply);
  }

  #fail(reason: string, cause?: unknown): void {
    this.#failure ??= this.#describe('DETECTOR_FAILED', reason, cause);
    this.#pending?.reject(this.#failure);
  }

  #describe(code: 'MODEL_INVALID' | 'DETECTOR_FAILED', reason: string, cause?: unknown): RelayError {
    const { stage, modelPath, url, settings } = this.#options;
    const wanted =
      'module' in settings
        ? `is not a module that makes a model (${reason}). Its default export must be a function that returns one.`
        : `is not a cascade that OpenCV can read (${reason}). Give the path of a Haar or LBP cascade in OpenCV's XML.`;
    const message =
      code === 'MODEL_INVALID'
        ? `${modelPath} ${wanted}`
        : this.#started
          ? `${stage} failed over this picture (${reason}). The next one gets a fresh thread.`
          : `${stage} could not start its thread ${url} (${reason}). In a bundled program, set workerUrl.`;
    return new RelayError(message, { code, stage, retryable: this.#started, cause });
  }
}
