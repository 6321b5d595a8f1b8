import type { FrameSource } from 'edge-relay';
import { type App, counted } from 'edge-relay-command-line';

const DAMAGE_EVERY_MS = 60_000;

/** Says what happens to a camera: a line for each change, with its name. */
export function watchCamera(source: FrameSource, { log, health }: App): void {
  const { camera } = source;
  health.expect(camera);
  source.on('open', ({ width, height }) => health.up(camera, `${camera}: ${width} x ${height} pixels`));
  source.on('offline', ({ error }) => health.down(camera, `${camera}: ${error.message}`));
  source.on('crashloop', ({ attempts }) =>
    log.warn(`${camera}: failed ${attempts} times in a row; it is tried again, more and more seldom`),
  );
  source.on('mismatch', ({ requested, got, offers }) => {
    const rate = ({ framesPerSecond }: typeof got) =>
      framesPerSecond === undefined ? '' : ` at ${Math.round(framesPerSecond * 10) / 10} a second`;
    const choice = offers.length > 0 ? `; it offers ${offers.join(', ')}` : '';
    log.change(
      `${camera} mode`,
      `${camera}: gives ${got.width} x ${got.height} pixels${rate(got)}, not ${requested.width} x ${requested.height}${rate(requested)} as asked for${choice}`,
      'warn',
    );
  });
  let toldAt = Number.NEGATIVE_INFINITY;
  source.on('damaged', ({ error }) => {
    if (performance.now() - toldAt < DAMAGE_EVERY_MS && source.stats.damaged > 5) return;
    toldAt = performance.now();
    log.warn(`${camera}: ${error.message} (${source.stats.damaged} so far)`);
  });
}

/** What a camera has given, as a line. */
export function summaryOf({ camera, stats }: FrameSource): string {
  const { captured, dropped, damaged, restarts, stalls } = stats;
  return `${camera}: ${counted(captured, 'frame')}, ${dropped} dropped, ${damaged} damaged, ${counted(restarts, 'restart')} (${counted(stalls, 'stall')})`;
}
