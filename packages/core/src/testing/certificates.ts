import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { isIP } from 'node:net';

/** A certificate and its key, as PEM text. */
export interface Certificate {
  /** The certificate, as PEM text. */
  readonly cert: string;
  /** Its key, as PEM text without pass phrase. */
  readonly key: string;
}

/** For whom a certificate is, and for how long. */
export interface CertificateOptions {
  /** The common name: of a client, what Mosquitto's `use_identity_as_username` takes for its user name. */
  readonly name: string;
  /** Host names and IPv4 addresses that a server's certificate is for. @default none */
  readonly hosts?: readonly string[];
  /** @default an hour ago */
  readonly validFrom?: Date;
  /** @default in a day */
  readonly validTo?: Date;
}

/** Signs certificates. */
export interface CertificateAuthority {
  /** Its own certificate, as PEM text: the `ca` of who trusts it. */
  readonly ca: string;
  /** Makes a certificate that it has signed. */
  issue(options: CertificateOptions): Certificate;
}

interface Signer {
  readonly name: string;
  readonly key: KeyObject;
}

const HOUR_MS = 3_600_000;

/** Makes an authority for tests, with a key on P-256 that is never on a disk. */
export function makeCertificateAuthority(name = 'edge-relay test authority'): CertificateAuthority {
  const { privateKey, publicKey } = newKeys();
  const signer = { name, key: privateKey };
  return {
    ca: certify({ name }, publicKey, signer, true),
    issue: (options) => {
      const keys = newKeys();
      return { cert: certify(options, keys.publicKey, signer, false), key: pemOf(keys.privateKey) };
    },
  };
}

/** Makes a certificate that vouches for itself, as a broker on a LAN may have one. */
export function makeSelfSignedCertificate(options: CertificateOptions): Certificate {
  const { privateKey, publicKey } = newKeys();
  const cert = certify(options, publicKey, { name: options.name, key: privateKey }, false);
  return { cert, key: pemOf(privateKey) };
}

function newKeys(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** A certificate as in RFC 5280 section 4.1. */
function certify(options: CertificateOptions, key: KeyObject, signer: Signer, isAuthority: boolean): string {
  const { name, hosts = [] } = options;
  const validFrom = options.validFrom ?? new Date(Date.now() - HOUR_MS);
  const validTo = options.validTo ?? new Date(Date.now() + 24 * HOUR_MS);
  const algorithm = sequence(objectId('2a8648ce3d040302')); // ecdsa-with-SHA256
  const hostNames = sequence(...hosts.map(generalName));
  const extensions = [
    extension('551d13', sequence(...(isAuthority ? [YES] : [])), YES), // basic constraints
    extension('551d0e', der(0x04, identifierOf(key))),
    extension('551d23', sequence(der(0x80, identifierOf(createPublicKey(signer.key))))),
    ...(isAuthority ? [extension('551d0f', der(0x03, Buffer.from([2, 0b100])), YES)] : []), // may sign others
    ...(hosts.length > 0 ? [extension('551d11', hostNames)] : []),
  ];
  const content = sequence(
    der(0xa0, integer(Buffer.from([2]))), // version 3
    integer(Buffer.from([1]), randomBytes(8)), // a serial number of its own
    algorithm,
    commonName(signer.name),
    sequence(utcTime(validFrom), utcTime(validTo)),
    commonName(name),
    key.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = der(0x03, Buffer.alloc(1), sign('sha256', content, signer.key));
  const base64 = sequence(content, algorithm, signature).toString('base64').replaceAll(/.{64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${base64.trimEnd()}\n-----END CERTIFICATE-----\n`;
}

const YES: Uint8Array = der(0x01, Buffer.from([0xff]));

/** One value in DER (X.690 section 8.1): tag, length, content. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, ...parts);
}

/** A number, the most significant byte first; its first bit would be a sign. */
function integer(...bytes: readonly Uint8Array[]): Buffer {
  return der(0x02, ...bytes);
}

function objectId(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

function commonName(name: string): Buffer {
  return sequence(der(0x31, sequence(objectId('550403'), der(0x0c, Buffer.from(name)))));
}

/** `YYMMDDHHMMSSZ`, which knows the years up to 2049. */
function utcTime(time: Date): Buffer {
  return der(0x17, Buffer.from(`${time.toISOString().slice(2, 19).replaceAll(/[-T:]/g, '')}Z`));
}

function extension(id: string, value: Buffer, critical: Uint8Array = Buffer.alloc(0)): Buffer {
  return sequence(objectId(id), critical, der(0x04, value));
}

function identifierOf(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();
}

function generalName(host: string): Buffer {
  if (isIP(host) === 0) return der(0x82, Buffer.from(host));
  return der(0x87, Buffer.from(host.split('.').map(Number)));
}
