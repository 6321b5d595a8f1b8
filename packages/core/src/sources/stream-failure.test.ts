import { describe, expect, it } from 'vitest';
import { failureOf } from './stream-failure';

const CAMERA = 'rtsp://camera.local:554/live';

function codeOf(...lines: string[]) {
  return failureOf(CAMERA, 'camera live', lines).code;
}

describe('What ffmpeg says of a stream', () => {
  it.each([
    ['SOURCE_DENIED', '[rtsp @ 0x5581e0] method DESCRIBE failed: 401 Unauthorized'],
    ['SOURCE_DENIED', '[https @ 0x5581e0] HTTP error 401 '],
    ['SOURCE_DENIED', 'http://camera/live: Server returned 403 Forbidden (access denied)'],
    ['SOURCE_NOT_FOUND', '[rtsp @ 0x5581e0] method DESCRIBE failed: 404 Stream Not Found'],
    ['SOURCE_NOT_FOUND', 'http://camera/live: Server returned 404 Not Found'],
    ['SOURCE_BUSY', '[rtsp @ 0x5581e0] method SETUP failed: 453 Not Enough Bandwidth'],
    ['SOURCE_BUSY', '[http @ 0x5581e0] HTTP error 503 Service Unavailable'],
    ['SOURCE_UNREACHABLE', 'rtsp://camera/live: Connection refused'],
    ['SOURCE_UNREACHABLE', '[tcp @ 0x5581e0] Failed to resolve hostname camera: Name or service not known'],
    ['SOURCE_UNSUITABLE', 'rtsps://camera/live: Protocol not found'],
    ['SOURCE_FAILED', 'Conversion failed!'],
  ])('is %s: %s', (code, line) => {
    expect(codeOf(line)).toBe(code);
  });

  it.each([40_143, 40_343, 14_040, 45_350, 1503])('takes no status out of port %i', (port) => {
    const refused = `rtsp://127.0.0.1:${port}/live: Connection refused`;
    expect(
      codeOf(`Connection to tcp://127.0.0.1:${port}?timeout=0 failed: Connection refused`, refused),
    ).toBe('SOURCE_UNREACHABLE');
  });

  it('takes no reason out of a path', () => {
    expect(codeOf('rtsp://camera/forbidden/not found/503: Connection refused')).not.toBe('SOURCE_DENIED');
    expect(codeOf('rtsp://camera/unauthorized: Connection timed out')).toBe('SOURCE_UNREACHABLE');
  });
});
