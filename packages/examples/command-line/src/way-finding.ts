import type { RoundTrip } from 'edge-relay';
import type { Finding } from './finding';

/**
 * How far a probe came that was sent on a topic.
 * @param party who carries it on from there
 */
export function wayFinding(way: RoundTrip, topic: string, party: string): Finding {
  switch (way.outcome) {
    case 'stored':
      return { state: 'pass', value: `a probe was stored, removed and receipted in ${way.totalMs} ms` };
    case 'taken':
      return {
        state: 'warning',
        value:
          way.protocolVersion === 5
            ? `the broker took a probe on ${topic}, for somebody who subscribes; without receipts the rest cannot be seen`
            : `the broker took a probe on ${topic}; over MQTT 3.1.1 and without receipts the rest cannot be seen`,
        cure: 'With --receipts, here and at cloud-sink, it is seen as far as the store.',
      };
    case 'unsubscribed':
      return {
        state: 'fail',
        value: `the broker took a probe on ${topic}, to which nobody subscribes`,
        cure: `Start ${party}; if it runs, compare its topic and its broker with these.`,
      };
    case 'silent':
      return {
        state: 'fail',
        value: `the broker took a probe on ${topic}, and no receipt came within ${(way.waitedMs / 1_000).toFixed(1)} seconds`,
        cure: `Start ${party} with --receipts. If it runs, look at its log, at what waits in its spool before the probe, and at the access rules for ${topic}/receipts/# (docs/security.md).`,
      };
  }
}
