import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { firstConnection, type Role } from '../../test/first-connection';
import { describeWith } from '../../test/requirements';
import { startWebSocketRelay } from '../../test/web-socket-relay';
import { makeCertificateAuthority, makeSelfSignedCertificate } from '../testing/certificates';
import { startFaultProxy } from '../testing/fault-proxy';
import { type Mosquitto, type MosquittoTls, startMosquitto } from '../testing/mosquitto';
import type { BrokerOptions } from './broker-options';

const roles: readonly Role[] = ['publisher', 'subscriber', 'bridge (to)', 'bridge (from)'];
const hosts = ['localhost', '127.0.0.1'];
const hour = 3_600_000;
const yesterday = { validFrom: new Date(Date.now() - 48 * hour), validTo: new Date(Date.now() - 24 * hour) };
const dayOf = (date: Date) => date.toISOString().slice(0, 10);

const authority = makeCertificateAuthority('our authority');
const stranger = makeCertificateAuthority('a stranger');
const server = authority.issue({ name: 'broker', hosts });
const client = authority.issue({ name: 'anna' });
const outdated = authority.issue({ name: 'anna', ...yesterday });
const lonely = makeSelfSignedCertificate({ name: 'lan', hosts });

const { ca } = authority;
type Wrong = readonly [name: string, tls: MosquittoTls, options: Partial<BrokerOptions>, says: RegExp];
const wrong: readonly Wrong[] = [
  [
    'another ca',
    server,
    { ca: stranger.ca },
    /authority that is not trusted \(our authority\).*ca is another/,
  ],
  ['no ca', server, {}, /authority that is not trusted.*Give the authority's certificate as ca/],
  ['a certificate signed by itself', lonely, { ca }, /signed by itself.*give that certificate as ca/],
  [
    'an expired certificate',
    authority.issue({ name: 'broker', hosts, ...yesterday }),
    { ca },
    new RegExp(`certificate that expired on ${dayOf(yesterday.validTo)}T.*Renew it.*${dayOf(new Date())}`),
  ],
  [
    'a certificate for another host',
    authority.issue({ name: 'broker', hosts: ['broker.example', 'mqtt.example'] }),
    { ca },
    /certificate for broker\.example, mqtt\.example, not for 127\.0\.0\.1.*Use a name/,
  ],
  ['no client certificate', { ...server, clientCa: ca }, { ca }, /wants a certificate from us.*cert and key/],
  [
    "a stranger's client certificate",
    { ...server, clientCa: ca },
    { ca, ...stranger.issue({ name: 'anna' }) },
    /does not trust the authority of our certificate \(a stranger\)/,
  ],
  [
    'an expired client certificate',
    { ...server, clientCa: ca },
    { ca, ...outdated },
    new RegExp(`our certificate has expired \\(.*${dayOf(yesterday.validTo)}T`),
  ],
];

describeWith('mosquitto', 'TLS', () => {
  describe.each(wrong)('with %s', (_, tls, options, says) => {
    let broker: Mosquitto;
    beforeAll(async () => {
      broker = await startMosquitto({ tls });
    });
    afterAll(() => broker.close());

    it.each(roles)('the first connection of %s rejects, and says what is wrong', async (role) => {
      const { outcome, error } = await firstConnection(role, { url: broker.url, ...options });
      expect(outcome).toBe('refused');
      expect(error).toMatchObject({ code: 'BROKER_REFUSED', stage: role, retryable: false });
      expect(error!.message).toMatch(says);
      expect(error!.message).toContain(`the broker at ${broker.url} `);
      expect(error!.cause).toMatchObject({ code: expect.any(String) });
    });

    it('it is tried once', async () => {
      const proxy = await startFaultProxy({ targetPort: broker.port });
      onTestFinished(() => proxy.close());
      const url = `mqtts://127.0.0.1:${proxy.port}`;
      await firstConnection('publisher', { url, ...options, retryMinimumMs: 1, retryMaximumMs: 1 });
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(proxy.connections).toBe(1);
    });
  });

  const right: readonly [string, MosquittoTls, Partial<BrokerOptions>][] = [
    ['the right authority', server, { ca }],
    ['the right one of two authorities', server, { ca: stranger.ca + ca }],
    ['the authority as bytes', server, { ca: Buffer.from(ca) }],
    ['the certificate itself, signed by itself', lonely, { ca: lonely.cert }],
    ['the right client certificate', { ...server, clientCa: ca }, { ca, ...client }],
  ];
  describe.each(right)('with %s', (_, tls, options) => {
    let broker: Mosquitto;
    beforeAll(async () => {
      broker = await startMosquitto({ tls });
    });
    afterAll(() => broker.close());

    it.each(roles)('%s connects', async (role) => {
      const { outcome, told } = await firstConnection(role, { url: broker.url, ...options });
      expect(outcome, told).toBe('online');
    });

    it.each([4, 5] as const)('version %d too', async (protocolVersion) => {
      const { outcome } = await firstConnection('publisher', {
        url: broker.url,
        protocolVersion,
        ...options,
      });
      expect(outcome).toBe('online');
    });
  });

  it('takes the name of a client certificate for the user where the broker does', async () => {
    const config = 'use_identity_as_username true\nallow_anonymous false';
    const broker = await startMosquitto({ tls: { ...server, clientCa: ca }, config });
    onTestFinished(() => broker.close());
    const { outcome } = await firstConnection('publisher', { url: broker.url, ca, ...client });
    expect(outcome).toBe('online');
    expect(broker.log).toMatch(/u'anna'/);
  });

  it('a certificate that is not valid yet may only mean a clock that is not set yet: it is tried again', async () => {
    const validFrom = new Date(Date.now() + hour);
    const broker = await startMosquitto({ tls: authority.issue({ name: 'broker', hosts, validFrom }) });
    onTestFinished(() => broker.close());
    const { outcome, error } = await firstConnection('publisher', { url: broker.url, ca });
    expect(outcome).toBe('retrying');
    expect(error).toMatchObject({ code: 'BROKER_UNREACHABLE', retryable: true });
    expect(error!.message).toMatch(/not valid before .*Set the clock here, which says/);
  });

  it('says that TLS may be what is missing, or too much', async () => {
    const [plain, secure] = [await startMosquitto(), await startMosquitto({ tls: server })];
    onTestFinished(async () => {
      await Promise.all([plain.close(), secure.close()]);
    });
    const tooMuch = await firstConnection('publisher', { url: plain.url.replace('mqtt', 'mqtts'), ca });
    expect(tooMuch.error).toMatchObject({ code: 'BROKER_UNREACHABLE', retryable: true });
    expect(tooMuch.error!.message).toMatch(/speak TLS at this port/);
    const missing = await firstConnection('publisher', { url: secure.url.replace('mqtts', 'mqtt') });
    expect(missing.error).toMatchObject({ code: 'BROKER_UNREACHABLE', retryable: true });
    expect(missing.error!.message).toMatch(/want TLS/);
  });
});

describeWith('mosquitto', 'WebSocket', () => {
  let broker: Mosquitto;
  beforeAll(async () => {
    broker = await startMosquitto({ users: { anna: 'geheim' } });
  });
  afterAll(() => broker.close());
  const access = { username: 'anna', password: 'geheim' };

  async function relay(tls?: Parameters<typeof startWebSocketRelay>[1]): Promise<string> {
    const { url, close } = await startWebSocketRelay(broker.port, tls);
    onTestFinished(close);
    return url;
  }

  it.each(roles)('%s connects, in the clear and with TLS', async (role) => {
    const plain = await firstConnection(role, { url: await relay(), ...access });
    expect(plain.outcome, plain.told).toBe('online');
    const secure = await firstConnection(role, { url: await relay(server), ca, ...access });
    expect(secure.outcome, secure.told).toBe('online');
  });

  const mutual = { ...server, ca, requestCert: true, rejectUnauthorized: true };
  it('connects with a client certificate', async () => {
    const { outcome } = await firstConnection('publisher', {
      url: await relay(mutual),
      ca,
      ...client,
      ...access,
    });
    expect(outcome).toBe('online');
  });

  it.each([
    ['another ca', server, { ca: stranger.ca }, /authority that is not trusted/],
    [
      'an expired certificate',
      authority.issue({ name: 'broker', hosts, ...yesterday }),
      { ca },
      /certificate that expired/,
    ],
    ['another host', authority.issue({ name: 'b', hosts: ['b.example'] }), { ca }, /for b\.example, not for/],
    ['no client certificate', mutual, { ca }, /wants a certificate from us/],
    ['a wrong password', server, { ca, username: 'anna', password: 'x' }, /does not let user "anna" in/],
  ] as const)('with %s it rejects, and says what is wrong', async (_, tls, options, says) => {
    const url = await relay(tls);
    const { outcome, error } = await firstConnection('publisher', { url, ...access, ...options });
    expect(error).toMatchObject({ code: 'BROKER_REFUSED', retryable: false });
    expect(error!.message).toMatch(says);
    expect(error!.message).toContain(`the broker at ${url} `);
    expect(outcome).toBe('refused');
  });

  it('at the wrong path it rejects with what the web server answers', async () => {
    const url = (await relay()).replace('/mqtt', '/elsewhere');
    const { error } = await firstConnection('publisher', { url, ...access });
    expect(error).toMatchObject({ code: 'BROKER_REFUSED' });
    expect(error!.message).toMatch(/elsewhere answers with HTTP status 400\. Check host and path/);
  });
});
