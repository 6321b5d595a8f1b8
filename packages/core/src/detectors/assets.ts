import { fileURLToPath } from 'node:url';

/** The cascades that come with the package (OpenCV's, with their licence at their head). */
export const CASCADES = ['frontalface_alt2', 'frontalface_default'] as const;

export type CascadeName = (typeof CASCADES)[number];

// Built, this file lies in dist/; from source in src/detectors/.
const isSource = import.meta.url.endsWith('.ts');

/** The path of a cascade that comes with the package. */
export function cascadePath(name: CascadeName): string {
  const folder = isSource ? '../../cascades/' : '../cascades/';
  return fileURLToPath(new URL(`${folder}haarcascade_${name}.xml`, import.meta.url));
}

/** The built program of a detection thread; the CommonJS build runs the same one. */
export function defaultWorkerUrl(): URL {
  return new URL(isSource ? '../../dist/detector-worker.js' : './detector-worker.js', import.meta.url);
}
