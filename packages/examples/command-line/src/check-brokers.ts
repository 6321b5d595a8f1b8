import { type BrokerOptions, checkBroker } from 'edge-relay';
import type { Finding } from './checks';

/** A smaller one may refuse a picture of a face. */
const PICTURE_BYTES = 1_000_000;
/** Fewer at a time do not fill a connection that is far away. */
const SMALL_WINDOW = 20;
/** An uplink may be away over a weekend. */
const WEEKEND_SECONDS = 3 * 86_400;
/** What a clock may be wrong by before times of pictures mislead, in milliseconds. */
const CLOCK_MS = 2_000;

/** Whether a broker lets us in, and whether what it allows is enough. */
export async function brokerFinding(options: BrokerOptions): Promise<Finding> {
  const report = await checkBroker(options);
  const { maximumPacketSize, receiveMaximum, sessionExpirySeconds, protocolVersion, skipped } = report;
  const packet = Number.isFinite(maximumPacketSize)
    ? `packets up to ${maximumPacketSize} bytes`
    : 'packets of any size';
  const session = sessionExpirySeconds === undefined ? '' : `, sessions kept ${hours(sessionExpirySeconds)}`;
  const value =
    `${report.url}: MQTT ${protocolVersion === 5 ? '5' : '3.1.1'}, connected in ${Math.round(report.connectMs)} ms, ` +
    `${packet}, ${receiveMaximum} unacknowledged${session}`;
  const doubts = [
    skipped && `${skipped.message}`,
    maximumPacketSize < PICTURE_BYTES &&
      `Larger pictures are refused: raise the broker's limit (Mosquitto: max_packet_size) above ${PICTURE_BYTES} bytes.`,
    receiveMaximum < SMALL_WINDOW &&
      `So few at a time are slow over a long line: raise the broker's limit (Mosquitto: max_inflight_messages).`,
    sessionExpirySeconds !== undefined &&
      sessionExpirySeconds < WEEKEND_SECONDS &&
      'Who is away longer loses what waits for him: raise the limit of the broker (Mosquitto: persistent_client_expiration).',
  ].filter((doubt) => typeof doubt === 'string');
  return doubts.length === 0
    ? { state: 'good', value }
    : { state: 'doubtful', value, cure: doubts.join(' ') };
}

/** What to say of two clocks: by how many milliseconds theirs is ahead of ours, give or take so many. */
export function clockFinding(aheadMs: number, uncertaintyMs: number, theirs: string): Finding {
  const far = Math.abs(aheadMs) > CLOCK_MS + uncertaintyMs;
  const by = `${(Math.abs(aheadMs) / 1000).toFixed(1)} s ${aheadMs < 0 ? 'behind' : 'ahead of'} ours`;
  const value = `about ${by}, give or take ${(uncertaintyMs / 1000).toFixed(1)} s (by ${theirs})`;
  if (!far) return { state: 'good', value };
  return { state: 'wrong', value, cure: 'Let both machines keep time by NTP: timedatectl set-ntp true.' };
}

function hours(seconds: number): string {
  return seconds < 7_200 ? `${Math.round(seconds / 60)} minutes` : `${Math.round(seconds / 3_600)} hours`;
}
