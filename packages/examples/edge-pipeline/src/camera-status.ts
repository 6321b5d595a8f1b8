import type { FrameSource, Publisher } from 'edge-relay';

/** What is said of a camera on MQTT. */
export type CameraStatus = 'starting' | 'running' | 'stalled' | 'failed' | 'ended';

/** Keeps `{topic}/{camera}` at the local broker saying how each camera is, retained; a line for each change. */
export function announceCameras(cameras: readonly FrameSource[], publisher: Publisher, topic: string): void {
  for (const source of cameras) {
    let last: CameraStatus | undefined;
    const say = (status: CameraStatus) => {
      if (status !== last) publisher.announce(`${topic}/${source.camera}`, status);
      last = status;
    };
    say('starting');
    source.on('open', () => say('running'));
    source.on('restart', ({ error }) => say(error.code === 'SOURCE_STALLED' ? 'stalled' : 'failed'));
    source.on('end', () => say('ended'));
  }
}
