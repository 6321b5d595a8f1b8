import { createHash, randomBytes } from 'node:crypto';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { messageOf, RelayError, type RelayErrorCode } from '../errors';
import { withoutCredentials } from './credentials';

const MOST_REDIRECTS = 5;

/** What the status of an answer means for a camera. Others are `SOURCE_FAILED`. */
const STATUS: Readonly<Record<number, readonly [RelayErrorCode, string]>> = {
  401: [
    'SOURCE_DENIED',
    'wants a user and a password, or others. Put them into the URL: http://user:password@host/',
  ],
  403: ['SOURCE_DENIED', 'does not let this user in. Check the user, and what the camera allows.'],
  404: ['SOURCE_NOT_FOUND', 'has nothing there. Check the path.'],
  429: ['SOURCE_BUSY', 'has too much to do.'],
  503: ['SOURCE_BUSY', 'has too much to do. Many cameras serve one viewer at a time.'],
};

/**
 * Opens a stream over HTTP or HTTPS: follows redirects, and answers with the user and password of the URL
 * where they are asked for (Basic, RFC 7617, and Digest with MD5 or SHA-256, RFC 7616).
 * @throws {RelayError} `SOURCE_UNREACHABLE`, `SOURCE_DENIED` (not retryable), `SOURCE_NOT_FOUND`,
 *   `SOURCE_BUSY` or `SOURCE_FAILED`.
 */
export async function openHttp(
  location: string,
  stage: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  let url = new URL(location);
  const { username, password } = url;
  const login = { user: decodeURIComponent(username), password: decodeURIComponent(password) };
  let authorization: string | undefined;
  for (let redirects = 0; ; ) {
    const { origin } = url;
    url.username = '';
    url.password = '';
    const response = await send(url, authorization, stage, signal);
    const { statusCode = 0, headers } = response;
    if (statusCode === 200) return response;
    response.destroy();
    if (statusCode >= 300 && statusCode < 400 && headers.location && redirects < MOST_REDIRECTS) {
      redirects += 1;
      url = new URL(headers.location, url);
      // The password is for the camera, not for whom it names.
      if (url.origin !== origin) login.user = '';
      authorization = undefined;
      continue;
    }
    const challenge = headers['www-authenticate'];
    if (statusCode === 401 && login.user !== '' && !authorization && challenge) {
      authorization = answer(challenge, login, url);
      if (authorization) continue;
    }
    const [code, why] = STATUS[statusCode] ?? ['SOURCE_FAILED', 'cannot give it.'];
    throw new RelayError(`${withoutCredentials(location)} answers ${statusCode}: the camera ${why}`, {
      code,
      stage,
      retryable: code !== 'SOURCE_DENIED',
    });
  }
}

function send(
  url: URL,
  authorization: string | undefined,
  stage: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? requestHttps : requestHttp;
    const headers = { 'user-agent': 'edge-relay', ...(authorization && { authorization }) };
    request(url, { headers, signal, agent: false })
      .once('response', resolve)
      .once('error', (cause) =>
        reject(
          new RelayError(
            `${withoutCredentials(url.href)} cannot be reached (${messageOf(cause)}). Look whether the camera is switched on, and at its address.`,
            { code: 'SOURCE_UNREACHABLE', stage, retryable: true, cause },
          ),
        ),
      )
      .end();
  });
}

interface Login {
  readonly user: string;
  readonly password: string;
}

/** What goes into the header Authorization; undefined for a scheme that we do not know. */
function answer(challenge: string, { user, password }: Login, url: URL): string | undefined {
  const digest = /\bdigest\s+([\s\S]*)/i.exec(challenge)?.[1];
  if (digest === undefined) {
    const basic = Buffer.from(`${user}:${password}`).toString('base64');
    return /\bbasic\b/i.test(challenge) ? `Basic ${basic}` : undefined;
  }
  const field = (name: string) =>
    new RegExp(`(?:^|[,\\s])${name}=(?:"([^"]*)"|([^\\s,]+))`, 'i').exec(digest)?.slice(1).find(Boolean);
  const [realm = '', nonce = '', opaque, algorithm = 'MD5'] = ['realm', 'nonce', 'opaque', 'algorithm'].map(
    field,
  );
  const method = { MD5: 'md5', 'SHA-256': 'sha256' }[algorithm.toUpperCase()];
  if (!method) return undefined;
  const hash = (text: string) => createHash(method).update(text).digest('hex');
  const uri = url.pathname + url.search;
  const [first, second] = [hash(`${user}:${realm}:${password}`), hash(`GET:${uri}`)];
  const isCounted = /\bauth\b/.test(field('qop') ?? '');
  const cnonce = randomBytes(8).toString('hex');
  const response = hash(
    isCounted ? `${first}:${nonce}:00000001:${cnonce}:auth:${second}` : `${first}:${nonce}:${second}`,
  );
  return [
    `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}"`,
    `algorithm=${algorithm}`,
    ...(opaque === undefined ? [] : [`opaque="${opaque}"`]),
    ...(isCounted ? [`qop=auth, nc=00000001, cnonce="${cnonce}"`] : []),
  ].join(', ');
}
