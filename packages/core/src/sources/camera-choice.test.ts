import { describe, expect, it } from 'vitest';
import * as listings from '../../test/camera-listings';
import { type CameraWish, chooseModes } from './camera-choice';
import { parseFfmpegModes, parseV4l2Modes } from './camera-modes';

const USB_2 = 3 * 1024 * 8000;

type Listing = { readonly ffmpeg: readonly string[]; readonly v4l2: readonly string[] };

/** What is asked for first, with rates known, and without on USB 2. */
function firsts(listing: Listing, wish: CameraWish = {}): readonly (string | undefined)[] {
  return [
    chooseModes(parseV4l2Modes(listing.v4l2), wish)[0],
    chooseModes(parseFfmpegModes(listing.ffmpeg), wish, USB_2)[0],
  ].map((mode) => mode && `${mode.encoding} ${mode.width}x${mode.height} ${mode.framesPerSecond}`);
}

const both = (mode: string) => [mode, mode];

describe('chooseModes', () => {
  it('takes JPEG where pixels would not fit the bus, and pixels where they do', () => {
    expect(firsts(listings.c920)).toEqual(both('mjpeg 1920x1080 30'));
    expect(firsts(listings.elp)).toEqual(both('mjpeg 1920x1080 30'));
    expect(firsts(listings.c920, { width: 640, height: 480 })).toEqual(both('yuyv422 640x480 30'));
    expect(firsts(listings.c920, { framesPerSecond: 5 })).toEqual(both('yuyv422 1920x1080 5'));
  });

  it('takes the nearest size where there is none as it was asked for', () => {
    expect(firsts(listings.c270)).toEqual(both('mjpeg 1280x960 30'));
    expect(firsts(listings.jpegOnly)).toEqual(['mjpeg 1280x720 29.97', 'mjpeg 1280x720 30']);
    expect(firsts(listings.jpegOnly, { width: 400, height: 300 })).toEqual([
      'mjpeg 640x480 29.97',
      'mjpeg 352x288 30',
    ]);
  });

  it('asks for the lowest rate that is enough, else for the highest there is', () => {
    const small = { width: 640, height: 480, inputFormat: 'mjpeg' } as const;
    expect(firsts(listings.elp, { ...small, framesPerSecond: 40 })[0]).toBe('mjpeg 640x480 60');
    expect(firsts(listings.elp, { ...small, framesPerSecond: 200 })[0]).toBe('mjpeg 640x480 120.101');
    expect(firsts(listings.jpegOnly, { framesPerSecond: 8 })[0]).toBe('mjpeg 1280x720 15');
  });

  it('does not count what a sensor on the board sends', () => {
    const modes = parseFfmpegModes(listings.jetsonWithProcessor.ffmpeg);
    expect(chooseModes(modes, {})[0]).toMatchObject({
      encoding: 'uyvy422',
      width: 1920,
      framesPerSecond: 30,
    });
    expect(firsts(listings.raspberryPi)[0]).toBe('yuv420p 1920x1080 30');
  });

  it('keeps to the input format that is asked for', () => {
    expect(firsts(listings.c920, { inputFormat: 'raw' })).toEqual([
      'yuyv422 1920x1080 5',
      'yuyv422 1920x1080 30',
    ]);
    expect(firsts(listings.c920, { width: 640, height: 480, inputFormat: 'mjpeg' })).toEqual(
      both('mjpeg 640x480 30'),
    );
    expect(firsts(listings.jpegOnly, { inputFormat: 'raw' })).toEqual([undefined, undefined]);
  });

  it('puts every encoding of the size in order, so that others can be tried', () => {
    const order = (wish: CameraWish) =>
      chooseModes(parseFfmpegModes(listings.raspberryPi.ffmpeg), wish).map(({ encoding }) => encoding);
    expect(order({})).toEqual(['yuv420p', 'nv12', 'yuyv422', 'rgb24', 'mjpeg']);
  });
});
