import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { brokerAddresses, withoutPassword } from './broker-address';

describe('addresses of a broker', () => {
  it.each([
    ['mqtt://h', { protocol: 'mqtt', host: 'h', port: undefined, username: undefined }],
    ['tcp://h:1', { protocol: 'mqtt', host: 'h', port: 1 }],
    ['ssl://h', { protocol: 'mqtts', host: 'h', port: undefined }],
    ['mqtt://[::1]:1883', { host: '::1', port: 1883 }],
    ['ws://[::1]:9001/mqtt?a=b', { host: '[::1]', port: 9001, path: '/mqtt?a=b' }],
    ['wss://h', { protocol: 'wss', path: '/' }],
    ['mqtt://anna:geheim@h', { username: 'anna', password: 'geheim', url: 'mqtt://anna:***@h' }],
    ['mqtt://a%40b.c:1%3A2%2F3%2525%20%C3%BC@h', { username: 'a@b.c', password: '1:2/3%25 ü' }],
    ['mqtt://anna@h', { username: 'anna', password: undefined, url: 'mqtt://anna@h' }],
    ['mqtt://anna:a@b:c@h', { username: 'anna', password: 'a@b:c', url: 'mqtt://anna:***@h' }],
  ])('takes %s apart', (url, parts) => {
    expect(brokerAddresses({ url }, 'publisher')).toMatchObject([parts]);
  });

  it('takes several, each with its own user or else that of the options', () => {
    const url = ['mqtt://bert:b@one', 'mqtt://two'];
    expect(brokerAddresses({ url, username: 'anna', password: 'a' }, 'publisher')).toMatchObject([
      { host: 'one', username: 'bert', password: 'b' },
      { host: 'two', username: 'anna', password: 'a' },
    ]);
  });

  it.each([
    [undefined, /publisher: url must be a broker's address/],
    [[], /at least one/],
    [['mqtt://h', 5], /must be a broker's address/],
    ['h', /"h" is not a broker's address/],
    ['anna:geheim@h', /"anna:\*\*\*@h" is not a broker's address/],
    ['http://anna:geheim@h', /"http:\/\/anna:\*\*\*@h" must begin with mqtt:/],
    ['mqtt://anna:geheim#1@h', /"mqtt:\/\/anna:\*\*\*@h" is not .*%23/],
    ['mqtt://anna:geheim/1@h', /"mqtt:\/\/anna:\*\*\*@h" is not .*%2F/],
    ['mqtt://anna:1/geheim@h', /"mqtt:\/\/anna:\*\*\*@h" is not .*%2F/],
    ['mqtt://anna:1?geheim@h', /"mqtt:\/\/anna:\*\*\*@h" is not .*%3F/],
    ['mqtt://anna:1#geheim@h', /"mqtt:\/\/anna:\*\*\*@h" is not .*%23/],
    ['mqtt://anna:geheim%@h', /"mqtt:\/\/anna:\*\*\*@h" has a "%".*%25/],
    ['mqtt://:geheim@h', /a password needs a user name/],
  ])('refuses %j, and shows no password', (url, message) => {
    let error: unknown;
    try {
      brokerAddresses({ url: url as string }, 'publisher');
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(message);
    expect(inspect(error, { showHidden: true })).not.toContain('geheim');
  });

  it('refuses a password without a user name', () => {
    expect(() => brokerAddresses({ url: 'mqtt://h', password: 'x' }, 'publisher')).toThrow(
      /needs a user name/,
    );
  });

  it.each([
    ['mqtt://h:1883', 'mqtt://h:1883'],
    ['ws://h/', 'ws://h'],
    ['wss://h/mqtt?token=geheim', 'wss://h/mqtt?***'],
    ['mqtt://an%40na:ge:he@im@h/x', 'mqtt://an%40na:***@h/x'],
  ])('shows %s as %s', (url, shown) => {
    expect(withoutPassword(url)).toBe(shown);
  });
});
