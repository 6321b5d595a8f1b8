import { messageOf } from '../errors';

/** The part of OpenCV's JavaScript binding that is used here. What has `delete()` is freed only by it. */
export interface OpenCv {
  readonly CV_8UC1: number;
  readonly INTER_AREA: number;
  /** The heap of the WASM module; it grows and never shrinks. */
  readonly HEAP8: Int8Array;
  readonly Mat: new (rows?: number, columns?: number, type?: number) => Mat;
  readonly Size: new (width: number, height: number) => Size;
  readonly RectVector: new () => Vector<Rect>;
  readonly IntVector: new () => Vector<number>;
  readonly DoubleVector: new () => Vector<number>;
  readonly CascadeClassifier: new () => CascadeClassifier;
  resize(from: Mat, to: Mat, size: Size, scaleX: number, scaleY: number, interpolation: number): void;
  exceptionFromPtr(pointer: number): { readonly msg: string };
  FS_createDataFile(
    folder: string,
    name: string,
    data: Uint8Array,
    canRead: boolean,
    canWrite: boolean,
    canOwn: boolean,
  ): void;
  FS_unlink(path: string): void;
}

export interface Mat {
  readonly rows: number;
  readonly cols: number;
  /** A view of the heap, void as soon as the heap grows. */
  readonly data: Uint8Array;
  delete(): void;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Rect extends Size {
  readonly x: number;
  readonly y: number;
}

export interface Vector<T> {
  size(): number;
  get(index: number): T;
  delete(): void;
}

export interface CascadeClassifier {
  load(path: string): boolean;
  detectMultiScale3(
    image: Mat,
    objects: Vector<Rect>,
    rejectLevels: Vector<number>,
    levelWeights: Vector<number>,
    scaleFactor: number,
    minNeighbors: number,
    flags: number,
    minSize: Size,
    maxSize: Size,
    outputRejectLevels: boolean,
  ): void;
  delete(): void;
}

/** Loads OpenCV, an instance for each thread; 0.1 s and 128 MiB. */
export async function loadOpenCv(): Promise<OpenCv> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = new Set(events.flatMap((event) => process.listeners(event as 'uncaughtException')));
  const { cv } = await import('opencv-wasm');
  // Emscripten adds listeners of its own, which would end the thread in place of a clear error.
  for (const event of events) {
    for (const listener of process.listeners(event as 'uncaughtException')) {
      if (!before.has(listener)) process.removeListener(event, listener);
    }
  }
  // It also makes the module a thenable that resolves with itself: awaiting it would never end.
  delete (cv as { then?: unknown }).then;
  return cv as unknown as OpenCv;
}

/** What OpenCV means: its exceptions arrive as pointers into its heap. */
export function reasonOf(cv: OpenCv, error: unknown): string {
  if (typeof error !== 'number') return messageOf(error);
  const { msg } = cv.exceptionFromPtr(error);
  return /error: \([^)]*\) (.*?)(?: in function|\s*$)/s.exec(msg)?.[1] ?? msg;
}
