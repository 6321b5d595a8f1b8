import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { makeCertificateAuthority } from '../testing/certificates';
import { assertBroker } from './broker-options';

const { ca, issue } = makeCertificateAuthority();
const { cert, key } = issue({ name: 'anna' });
const encrypted = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
}).privateKey;
const url = 'mqtts://h';

describe('options of a broker', () => {
  it.each([
    [{ url: 'mqtt://h', ca }, /ca, cert and key go with mqtts.*url has mqtt:/],
    [{ url: 'mqtt://h', cert, key }, /go with mqtts/],
    [{ url: 'ws://h', cert, key }, /url has ws:/],
    [{ url: ['mqtts://h', 'mqtt://h'], ca }, /go with mqtts/],
    [{ url, cert }, /cert and key belong together, but only cert/],
    [{ url, key }, /cert and key belong together, but only key/],
    [{ url, ca: '/etc/ssl/ca.pem' }, /ca must be the text of a certificate/],
    [{ url, ca: key }, /ca must be the text of a certificate/],
    [{ url, ca: '' }, /ca must be the text of a certificate/],
    [{ url, cert: 'x', key }, /cert must be the text of a certificate/],
    [{ url, cert, key: cert }, /key must be the text of a key/],
    [{ url, cert, key: encrypted }, /key must be .*without pass phrase/],
    [{ url, cert, key: issue({ name: 'bert' }).key }, /key is not the key of cert/],
  ])('refuses %#: %s', (options, message) => {
    expect(() => assertBroker(options, 'publisher')).toThrow(TypeError);
    expect(() => assertBroker(options, 'publisher')).toThrow(message);
  });

  it('takes PEM as text or bytes', () => {
    assertBroker({ url: ['mqtts://a', 'wss://b'], ca, cert, key }, 'publisher');
    assertBroker({ url, ca: Buffer.from(ca), cert: Buffer.from(cert), key: Buffer.from(key) }, 'publisher');
  });
});
