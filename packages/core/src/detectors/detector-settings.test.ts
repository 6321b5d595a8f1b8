import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { detectorSettings } from './detector-settings';
import { FaceDetector } from './face-detector';

describe('The options of FaceDetector', () => {
  it('default to frontalface_alt2 at 1.1 and 4, at most 960 pixels wide, in two threads', () => {
    const { cascadePath, ...rest } = detectorSettings({});
    expect(cascadePath).toMatch(/cascades.haarcascade_frontalface_alt2\.xml$/);
    expect(rest).toMatchObject({
      scaleFactor: 1.1,
      minNeighbors: 4,
      detectionWidth: 960,
      workers: Math.min(2, availableParallelism()),
      name: 'frontalface_alt2',
    });
  });

  it('name a detector after its cascade', () => {
    expect(detectorSettings({ preset: 'homework' }).name).toBe('frontalface_default');
    expect(detectorSettings({ cascade: '/opt/haarcascade profile.xml' }).name).toBe('haarcascade-profile');
    expect(detectorSettings({ cascade: '/opt/haarcascade_eye.xml' }).name).toBe('eye');
  });

  it.each([
    ['cascade', { cascade: '' }],
    ['scaleFactor', { scaleFactor: 1 }],
    ['minNeighbors', { minNeighbors: -1 }],
    ['minFaceSize', { minFaceSize: 2.5 }],
    ['maxFaceSize', { minFaceSize: 50, maxFaceSize: 40 }],
    ['detectionWidth', { detectionWidth: Number.NaN }],
    ['workers', { workers: 0 }],
    ['maxPixels', { maxPixels: 0 }],
    ['name', { name: 'front door' }],
    ['workerUrl', { workerUrl: 'worker.js' }],
    ['preset', { preset: 'best' as 'homework' }],
  ])('throws a TypeError for a wrong %s', (option, options) => {
    expect(() => new FaceDetector(options)).toThrow(TypeError);
    expect(() => new FaceDetector(options)).toThrow(option);
  });
});
