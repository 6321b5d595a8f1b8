import { describe, expect, it } from 'vitest';
import * as listings from '../../test/camera-listings';
import { type CameraMode, describeCameraModes, parseFfmpegModes, parseV4l2Modes } from './camera-modes';

const brief = (modes: readonly CameraMode[]) =>
  modes.map(
    ({ encoding, width, height, rates }) => `${encoding} ${width}x${height} ${rates?.join('/') ?? '?'}`,
  );

describe('parseFfmpegModes', () => {
  it('reads encodings and sizes, and leaves out H.264', () => {
    const modes = brief(parseFfmpegModes(listings.c920.ffmpeg));
    expect(modes).toHaveLength(14);
    expect(modes).toEqual(
      expect.arrayContaining(['yuyv422 2304x1536 ?', 'mjpeg 1920x1080 ?', 'mjpeg 160x90 ?']),
    );
    expect(brief(parseFfmpegModes(listings.jpegOnly.ffmpeg))).toEqual([
      'mjpeg 640x480 ?',
      'mjpeg 352x288 ?',
      'mjpeg 320x240 ?',
      'mjpeg 1280x720 ?',
    ]);
  });

  it('reads a range of sizes as its largest and the usual ones in it, and twins once', () => {
    const modes = brief(parseFfmpegModes(listings.raspberryPi.ffmpeg));
    const sizes = [
      '2592x1944',
      '1920x1080',
      '1280x960',
      '1280x720',
      '800x600',
      '640x480',
      '640x360',
      '320x240',
    ];
    expect(modes).toEqual(
      ['yuv420p', 'yuyv422', 'rgb24', 'mjpeg', 'nv12'].flatMap((encoding) =>
        sizes.map((size) => `${encoding} ${size} ?`),
      ),
    );
  });

  it('finds nothing where ffmpeg can read nothing, and in other words of ffmpeg', () => {
    expect(parseFfmpegModes(listings.jetsonSensor.ffmpeg)).toEqual([]);
    expect(parseFfmpegModes(['[video4linux2,v4l2 @ 0x1] Not a video capture device.', ''])).toEqual([]);
  });
});

describe('parseV4l2Modes', () => {
  it('reads sizes and rates, the highest rate first', () => {
    expect(brief(parseV4l2Modes(listings.c270.v4l2))).toEqual([
      'yuyv422 640x480 30/25/20/15/10/5',
      'yuyv422 1280x720 10/5',
      'yuyv422 1280x960 7.5/5',
      'mjpeg 640x480 30/25/20/15/10/5',
      'mjpeg 1280x720 30/25/20/15/10/5',
      'mjpeg 1280x960 30/25/20/15/10/5',
    ]);
  });

  it('keeps the rates of what it leaves out from what it takes', () => {
    const modes = brief(parseV4l2Modes(listings.c920.v4l2));
    expect(modes).toContain('yuyv422 2304x1536 2');
    expect(modes.join()).not.toContain('264');
    expect(parseV4l2Modes(listings.jetsonSensor.v4l2)).toEqual([]);
  });

  it('reads the layout of older versions', () => {
    expect(brief(parseV4l2Modes(listings.elp.v4l2))).toEqual([
      'mjpeg 1920x1080 30',
      'mjpeg 640x480 120.101/60/30',
      'yuyv422 1920x1080 6',
      'yuyv422 640x480 30',
    ]);
  });

  it('reads ranges of sizes and rates', () => {
    expect(brief(parseV4l2Modes(listings.raspberryPi.v4l2))).toContain('yuv420p 1920x1080 ?');
    const range = '\t\t\tInterval: Continuous 0.011s - 1.000s (1.000-90.000 fps)';
    expect(
      brief(parseV4l2Modes(["\t[0]: 'NV12' (Y/CbCr 4:2:0)", '\t\tSize: Discrete 640x480', range])),
    ).toEqual(['nv12 640x480 90']);
  });
});

describe('describeCameraModes', () => {
  it('says a size in a line, with the highest rates where they are known', () => {
    expect(describeCameraModes(parseV4l2Modes(listings.elp.v4l2))).toEqual([
      '1920 x 1080 (mjpeg 30, yuyv422 6 a second)',
      '640 x 480 (mjpeg 120.101, yuyv422 30 a second)',
    ]);
    expect(describeCameraModes(parseFfmpegModes(listings.jetsonWithProcessor.ffmpeg))[0]).toBe(
      '3840 x 2160 (uyvy422)',
    );
  });
});
