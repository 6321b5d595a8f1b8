import type { PeerCertificate } from 'node:tls';
import type { BrokerAddress } from './broker-address';
import type { BrokerOptions } from './broker-options';

/** A connection that did not come about. */
export interface FailedConnection {
  readonly stage: string;
  readonly address: BrokerAddress;
  readonly broker: BrokerOptions;
  /** What MQTT.js, Node or OpenSSL said; undefined where the broker hung up without a word. */
  readonly reason: unknown;
  /** The certificate that the broker has shown, where we saw it. */
  readonly shown: PeerCertificate | undefined;
}

/** What was wrong, in words that go on after "the broker at …", and what to do about it. */
export interface Problem {
  readonly what: string;
  readonly cure: string;
  /** Whether it can pass without anybody changing anything. */
  readonly mayPass?: boolean;
}

/** The code of Node or OpenSSL, or nothing. */
export function codeOf(reason: unknown): string {
  return String((reason as { code?: unknown } | undefined)?.code ?? '');
}
