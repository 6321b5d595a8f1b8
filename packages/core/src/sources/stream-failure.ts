import { RelayError, type RelayErrorCode } from '../errors';

/** What ffmpeg says of a stream that cannot be read, what that means, and the cure. */
const FAILURES: readonly (readonly [RegExp, RelayErrorCode, string])[] = [
  [
    /failed: 401|error 401|returned 401|unauthorized/i,
    'SOURCE_DENIED',
    'wants a user and a password, or others. Put them into the URL: rtsp://user:password@host/ (with %40 for an @)',
  ],
  [
    /failed: 403|error 403|returned 403|forbidden/i,
    'SOURCE_DENIED',
    'does not let this user in. Check the user, and what the camera allows',
  ],
  [/failed: 404|error 404|returned 404|not found/i, 'SOURCE_NOT_FOUND', 'has nothing there. Check the path'],
  [
    /failed: (453|503)|error 503|service unavailable|not enough bandwidth/i,
    'SOURCE_BUSY',
    'has too much to do. Many cameras serve few viewers at a time',
  ],
  [
    /connection refused|no route to host|network is unreachable|timed out|failed to resolve|name or service|temporary failure in name/i,
    'SOURCE_UNREACHABLE',
    'cannot be reached. Look whether the camera is switched on, and at its address and port',
  ],
];
const PROTOCOL_MISSING = /protocol not found/i;

/** A stream that has arrived, but not whole: lost packets, pictures that cannot be decoded. */
const DAMAGE =
  /missed \d+ packets|error while decoding MB|corrupt|Invalid NAL unit size|concealing|error while decoding/i;

export function isStreamDamage(line: string): boolean {
  return DAMAGE.test(line);
}

/** The error of a stream that could not be opened or has ended, by ffmpeg's last words. */
export function failureOf(location: string, stage: string, lastLines: readonly string[]): RelayError {
  // Without the names and addresses of ffmpeg's parts, and what it says of its work.
  const lines = lastLines
    .map((line) => line.replace(/^\[[^\]]* @ 0x[0-9a-f]+\] /, ''))
    .filter((line) => !/^(frame=|video:|\s|Input #|Output #|Stream mapping|Press )/.test(line));
  const said = lines.length > 0 ? ` ffmpeg says: ${lines.slice(-3).join(' / ')}` : '';
  if (lines.some((line) => PROTOCOL_MISSING.test(line))) {
    return new RelayError(
      `${location} needs a protocol that this ffmpeg does not have. Install another ffmpeg, and name it with ffmpegPath.${said}`,
      { code: 'SOURCE_UNSUITABLE', stage },
    );
  }
  // A port 40343 is no status 403, and a path may have any name.
  const reasons = lines.map((line) => line.replace(/\b[a-z]+:\/\/[^\s']+/gi, ''));
  for (const [pattern, code, what] of FAILURES) {
    if (!reasons.some((line) => pattern.test(line))) continue;
    const retryable = code !== 'SOURCE_DENIED';
    return new RelayError(`${location} ${what}.${said}`, { code, stage, retryable });
  }
  return new RelayError(`${location} has ended, or is no video.${said}`, {
    code: 'SOURCE_FAILED',
    stage,
    retryable: true,
  });
}
