import type { Capture, CaptureDescription, CapturedFrame, CaptureListener } from './capture';
import { isRemoteFile } from './input-path';
import { VideoFile, type VideoFileOptions } from './video-file';
import { VideoStream, type VideoStreamOptions } from './video-stream';

/** What a capture of video can be told: of a file, or of a stream. */
export type VideoCaptureOptions = VideoFileOptions & VideoStreamOptions;

/**
 * Video, decoded by an ffmpeg process to yuv420p, upright: a file (a recording, which ends; on a web server
 * one whose address ends like `.mp4`), or an `rtsp://` or `http://` stream (live). RTSP travels over TCP unless `transport`
 * says otherwise; a user and password of the URL stand in no error, no event and no list of processes.
 *
 * `capturedAt` of a file is the start of the recording (`startTime`, else the container's creation time,
 * else the file's date) plus the frame's time in it (clock `file`). Of a stream it has the distances that
 * the stream's own times have, and begins with the frame that arrived with the least delay (clock `stream`);
 * a stream without times gives when a frame was read (clock `arrival`).
 */
export class VideoCapture implements Capture {
  readonly name: string;
  readonly live: boolean;
  readonly #capture: Capture;

  /** @param location a path, or a URL with user and password where the camera wants them. */
  constructor(location: string, options: VideoCaptureOptions = {}) {
    const isStream = /^(rtsps?|https?):\/\//i.test(location) && !isRemoteFile(location);
    this.#capture = isStream ? new VideoStream(location, options) : new VideoFile(location, options);
    this.name = this.#capture.name;
    this.live = this.#capture.live;
  }

  describe(): Promise<CaptureDescription> {
    return this.#capture.describe();
  }

  frames(signal: AbortSignal, listener?: CaptureListener): AsyncIterable<CapturedFrame> {
    return this.#capture.frames(signal, listener);
  }
}
