import type { Model } from './model';

/** No cascade looks through less; for one whose XML does not say. */
const USUAL = { width: 20, height: 20 };
const HEAD_CHARACTERS = 20_000;

/**
 * The window that a cascade looks through, in pixels: `<width>` and `<height>` in the format that OpenCV's
 * traincascade writes, `<size>` in the older one of haartraining.
 */
export function cascadeWindow(cascade: Uint8Array): Model['window'] {
  const head = Buffer.from(cascade.buffer, cascade.byteOffset, Math.min(cascade.length, HEAD_CHARACTERS))
    .toString('latin1')
    .replaceAll(/<!--.*?-->/gs, '');
  const older = /<size>\s*(\d+)\s+(\d+)\s*<\/size>/.exec(head);
  const width = Number(older?.[1] ?? /<width>\s*(\d+)/.exec(head)?.[1]);
  const height = Number(older?.[2] ?? /<height>\s*(\d+)/.exec(head)?.[1]);
  return width > 0 && height > 0 ? { width, height } : USUAL;
}

/**
 * The cascade as OpenCV 4.3 reads it right: that version takes width and height of the older format for each
 * other, which shows where they differ.
 */
export function withSizeForOpenCv(cascade: Uint8Array): Uint8Array {
  const { width, height } = cascadeWindow(cascade);
  const text = Buffer.from(cascade.buffer, cascade.byteOffset, cascade.length).toString('latin1');
  const size = /<size>\s*\d+\s+\d+\s*<\/size>/;
  if (width === height || !size.test(text)) return cascade;
  return Buffer.from(text.replace(size, `<size>${height} ${width}</size>`), 'latin1');
}
