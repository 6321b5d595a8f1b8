import { type BrokerOptions, checkBroker } from 'edge-relay';
import type { Finding } from './finding';

/** A picture of a face is often larger than that. */
const LEAST_PACKET_BYTES = 100_000;
/** A large face as PNG can be larger than that. */
const PACKET_BYTES = 1_000_000;
/** Fewer at a time do not fill a connection that is far away. */
const SMALL_WINDOW = 20;
/** An uplink may be away over a weekend. */
const SESSION_SECONDS = 3 * 86_400;

/** Whether a broker lets us in, and whether what it allows is enough. */
export async function brokerFinding(options: BrokerOptions): Promise<Finding> {
  const report = await checkBroker(options);
  const { url, protocolVersion, connectMs } = report;
  const { maximumPacketSize, receiveMaximum, sessionExpirySeconds, skipped } = report;
  const packet = Number.isFinite(maximumPacketSize)
    ? `packets up to ${maximumPacketSize} bytes`
    : 'packets of any size';
  const session =
    sessionExpirySeconds === undefined ? '' : `, sessions kept ${lasting(sessionExpirySeconds)}`;
  const limits =
    protocolVersion === 5
      ? `MQTT 5, ${packet}, ${receiveMaximum} unacknowledged${session}`
      : 'MQTT 3.1.1, which tells no limits';
  const value = `${url}: connected in ${Math.round(connectMs)} ms; ${limits}`;
  const doubts = [
    skipped?.message,
    maximumPacketSize < PACKET_BYTES &&
      `Larger pictures are refused. Raise the broker's limit (Mosquitto: max_packet_size) to ${PACKET_BYTES} bytes or more.`,
    receiveMaximum < SMALL_WINDOW &&
      `So few at a time are slow over a long line. Raise the broker's limit (Mosquitto: max_inflight_messages) to ${SMALL_WINDOW} or more.`,
    sessionExpirySeconds !== undefined &&
      sessionExpirySeconds < SESSION_SECONDS &&
      `Who is away longer loses what waits for him. Raise the broker's limit to ${lasting(SESSION_SECONDS)} or more.`,
  ].filter((doubt) => typeof doubt === 'string');
  if (doubts.length === 0) return { state: 'pass', value };
  return {
    state: maximumPacketSize < LEAST_PACKET_BYTES ? 'fail' : 'warning',
    value,
    cure: doubts.join(' '),
  };
}

function lasting(seconds: number): string {
  if (seconds < 7_200) return `${Math.round(seconds / 60)} minutes`;
  return `${Math.round(seconds / 3_600)} hours`;
}
