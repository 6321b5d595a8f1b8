import { createPrivateKey, X509Certificate } from 'node:crypto';
import { Publisher, Subscriber, withoutCredentials } from 'edge-relay';
import { z } from 'zod';
import { judged } from './judged';
import { kebab } from './option';
import type { Objection } from './settings';
import { text, textFile } from './values';

const ADDRESS = /^(mqtt|mqtts|ws|wss|tcp|ssl):\/\/./i;
const ANY = { url: 'mqtt://localhost', topic: 'any' };
const SECURED = 'mqtts://localhost';

/** Addresses of a broker, in the order to try them; read them with `commas`. */
export function addresses() {
  const error = 'It must be an address, or several in the order to try them.';
  const shaped = z.string({ error }).regex(ADDRESS, {
    abort: true,
    error: ({ input }) =>
      `${JSON.stringify(withoutCredentials(`${input}`))} is not a broker's address, such as mqtt://localhost, mqtts://… or wss://….`,
  });
  const address = judged(shaped, (url) => new Subscriber({ ...ANY, url }));
  return z.array(address, { error }).min(1, { error });
}

/** A topic to send to. */
export function topic() {
  return judged(text(), (name) => new Publisher({ ...ANY, topic: name }));
}

/** A topic to listen to, with wildcards where wanted. */
export function topicFilter() {
  return judged(text(), (filter) => new Subscriber({ ...ANY, topic: filter }));
}

/** The path of a file with a certificate; the option's value is the text in it. */
export function certificateFile() {
  return judged(textFile(), (ca) => new Subscriber({ ...ANY, url: SECURED, ca }));
}

/** The same for a key. */
export function keyFile() {
  return textFile().superRefine((key, context) => {
    try {
      createPrivateKey(key);
    } catch {
      const message =
        'It must be the text of a key in PEM (-----BEGIN PRIVATE KEY-----), without pass phrase.';
      context.addIssue({ code: 'custom', message });
    }
  });
}

/** What the options that belong to one broker are called. */
export type BrokerNames = Readonly<Record<'url' | 'username' | 'password' | 'ca' | 'cert' | 'key', string>>;

/** What is wrong with the options of a broker beside each other. */
export function brokerObjections(
  names: BrokerNames,
  options: Readonly<Record<string, unknown>>,
): Objection[] {
  const flag = (name: keyof BrokerNames) => `--${kebab(names[name])}`;
  const given = (name: keyof BrokerNames) => options[names[name]];
  const of = (name: keyof BrokerNames, message: string): Objection => ({ option: [names[name]], message });
  const urls = (given('url') ?? []) as readonly string[];
  const plain = urls.find((url) => /^(mqtt|tcp|ws):/i.test(url));
  const secured = (['ca', 'cert', 'key'] as const).find((name) => given(name) !== undefined);
  const [cert, key] = [given('cert'), given('key')] as (string | undefined)[];
  const found: Objection[] = [];
  if (
    given('password') !== undefined &&
    given('username') === undefined &&
    !urls.every((url) => url.includes('@'))
  ) {
    found.push(of('password', `It needs a user name: give ${flag('username')}, too.`));
  }
  if (cert !== undefined && key === undefined) found.push(of('cert', `It needs ${flag('key')} beside it.`));
  if (key !== undefined && cert === undefined) found.push(of('key', `It needs ${flag('cert')} beside it.`));
  if (plain !== undefined && secured) {
    const scheme = plain.replace(/:.*/s, '://');
    const message = `It goes with mqtts:// and wss:// only, and ${flag('url')} has ${scheme}.`;
    found.push(of(secured, message));
  }
  if (
    cert !== undefined &&
    key !== undefined &&
    !new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  ) {
    found.push(of('key', `It is not the key of the certificate that ${flag('cert')} names.`));
  }
  return found;
}
