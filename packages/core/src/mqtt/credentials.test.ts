import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../../test/brokers';
import { firstConnection, type Role } from '../../test/first-connection';
import { describeWith } from '../../test/requirements';
import { type FaultProxy, startFaultProxy } from '../testing/fault-proxy';
import { freePort } from '../testing/free-port';
import { type Mosquitto, startMosquitto } from '../testing/mosquitto';
import type { BrokerOptions } from './broker-options';
import { Publisher } from './publisher';

const roles: readonly Role[] = ['publisher', 'subscriber', 'bridge (to)', 'bridge (from)'];
const PASSWORD = 'ge:heim/100% ü@#';
const WRITTEN = encodeURIComponent(PASSWORD);
const users = { 'an na@b': PASSWORD };
const username = 'an na@b';

/** Fails where the password, as it is or as it is written in an address, can be read. */
function expectNoPasswordIn(told: string): void {
  for (const secret of [PASSWORD, WRITTEN, 'heim', 'falsch']) expect(told).not.toContain(secret);
}

describeWith('mosquitto', 'user name and password', () => {
  let broker: Mosquitto;
  beforeAll(async () => {
    broker = await startMosquitto({ users });
  });
  afterAll(() => broker.close());

  describe.each([4, 5] as const)('over MQTT version %d', (protocolVersion) => {
    it.each(roles)('%s connects, with options or within the address', async (role) => {
      const options = { url: broker.url, username, password: PASSWORD, protocolVersion };
      const inUrl = broker.url.replace('//', `//${encodeURIComponent(username)}:${WRITTEN}@`);
      for (const access of [options, { url: inUrl, protocolVersion }]) {
        const { outcome, told } = await firstConnection(role, access);
        expect(outcome, told).toBe('online');
        expectNoPasswordIn(told);
      }
    });

    const wrong: readonly [string, () => Partial<BrokerOptions>, RegExp][] = [
      ['a wrong password', () => ({ username, password: 'falsch' }), /does not let user "an na@b" in.*Check/],
      [
        'a wrong password in the address',
        () => ({ url: broker.url.replace('//', '//anna:falsch@') }),
        /mqtt:\/\/anna:\*\*\*@127.* does not let user "anna" in/,
      ],
      ['an unknown user', () => ({ username: 'bert', password: PASSWORD }), /does not let user "bert" in/],
      ['a user name without password', () => ({ username }), /does not let user "an na@b" in/],
      ['nothing', () => ({}), /wants a user name and password.*Set username/],
    ];
    it.each(wrong)('with %s all roles reject, and say so without the password', async (_, access, says) => {
      for (const role of roles) {
        const options = { url: broker.url, protocolVersion, ...access() };
        const { outcome, error, told } = await firstConnection(role, options);
        expect(outcome).toBe('refused');
        expect(error).toMatchObject({ code: 'BROKER_REFUSED', stage: role, retryable: false });
        expect(error!.message).toMatch(says);
        expectNoPasswordIn(told);
      }
    });
  });

  it('does not tell a password of an address that nobody answers at', async () => {
    const url = `mqtt://anna:${WRITTEN}@127.0.0.1:${await freePort()}`;
    const { outcome, error, told } = await firstConnection('publisher', { url });
    expect(outcome).toBe('retrying');
    expect(error!.message).toContain('mqtt://anna:***@127.0.0.1');
    expectNoPasswordIn(told);
  });
});

describeWith('mosquitto', 'a broker that refuses', () => {
  let proxy: FaultProxy;
  let port: number;
  beforeEach(async () => {
    port = await freePort();
    proxy = await startFaultProxy({ targetPort: port });
  });
  afterEach(() => proxy.close());

  it.each([4, 5] as const)('is tried once (version %d)', async (protocolVersion) => {
    const broker = await startMosquitto({ port, users });
    onTestFinished(() => broker.close());
    const url = `mqtt://127.0.0.1:${proxy.port}`;
    const pauses = { retryMinimumMs: 1, retryMaximumMs: 1 };
    for (const role of roles) await firstConnection(role, { url, protocolVersion, ...pauses });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(proxy.connections).toBe(roles.length);
  });

  it('and has let us in before, is tried again with the longest pause, and loses nothing', async () => {
    const before = await startMosquitto({ port, users: { anna: 'old' } });
    const publisher = new Publisher({
      url: `mqtt://127.0.0.1:${proxy.port}`,
      username: 'anna',
      password: 'old',
      topic: 'x',
      whenNoSubscriber: 'accept',
      retryMinimumMs: 1,
      retryMaximumMs: 1_000,
    });
    const news: { readonly code: string; readonly retryInMs: number }[] = [];
    publisher.on('offline', ({ error, retryInMs }) => news.push({ code: error.code, retryInMs }));
    await publisher.publish({ payload: 'before' });
    await before.close();
    const published = publisher.publish({ payload: 'after' });
    const changed = await startMosquitto({ port, users: { anna: 'new' } });
    await until(() => news.filter(({ code }) => code === 'BROKER_REFUSED').length >= 2, 'refused twice');
    for (const { code, retryInMs } of news)
      if (code === 'BROKER_REFUSED') expect(retryInMs).toBeGreaterThanOrEqual(500);
    await changed.close();
    const mended = await startMosquitto({ port, users: { anna: 'old' } });
    await published;
    expect(publisher.stats).toMatchObject({ acknowledged: 2, spooled: 0 });
    await publisher.close();
    await mended.close();
  });
});
