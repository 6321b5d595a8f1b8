import type { MqttClient } from 'mqtt';
import type { Message } from '../message';
import { encodePublishHeader } from './publish-packet';

/** What the broker allowed in its CONNACK (MQTT 5 section 3.2.2.3), with the protocol's own defaults. */
export interface BrokerLimits {
  /** How many QoS 1 messages it takes unacknowledged. */
  readonly receiveMaximum: number;
  /** The largest packet it takes, in bytes; Infinity where it says nothing. */
  readonly maximumPacketSize: number;
}

/** How much may wait in the stream before a sender waits. */
const GATHERED_BYTES = 1024 * 1024;

export interface LinkDetails {
  /** The broker's address, without password. */
  readonly url: string;
  readonly protocolVersion: 4 | 5;
}

/**
 * One live connection to a broker. PUBLISH and PUBACK are written here, straight to the stream, so that
 * the in-flight window, the order and the moment of each acknowledgement are ours; MQTT.js does the
 * handshake, the subscriptions and the keepalive. What is sent in one turn of the event loop goes to the kernel in
 * one call.
 */
export class Link {
  readonly client: MqttClient;
  /** The broker's address, without password. */
  readonly url: string;
  readonly protocolVersion: 4 | 5;
  /** Whether the broker still knew our session. */
  readonly sessionPresent: boolean;
  readonly limits: BrokerLimits;
  #isGathering = false;
  /** First byte and packet identifier of the acknowledgements of this turn. */
  #acknowledgements: number[] = [];

  constructor(client: MqttClient, connack: { readonly sessionPresent: boolean }, details: LinkDetails) {
    this.client = client;
    this.url = details.url;
    this.protocolVersion = details.protocolVersion;
    this.sessionPresent = connack.sessionPresent;
    const properties = client.serverProperties;
    this.limits = {
      receiveMaximum: properties?.receiveMaximum ?? 65_535,
      maximumPacketSize: properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    };
  }

  get alive(): boolean {
    return this.client.connected && !this.client.stream.destroyed;
  }

  /**
   * Writes the PUBLISH packet of a message with QoS 1; false when enough waits to be written, then wait for
   * `drained()`. It pays to let more gather than a stream's own 16 KiB.
   * @throws {Error} for a message that no packet can carry.
   */
  publish(message: Message, topic: string, messageId: number): boolean {
    const header = encodePublishHeader(message, topic, messageId, this.protocolVersion);
    if (!this.alive) return true;
    this.#gather();
    const { stream } = this.client;
    stream.write(header);
    return stream.write(message.payload) || stream.writableLength < GATHERED_BYTES;
  }

  /** Writes the PUBACK of a message with QoS 1, or the PUBREC of one with QoS 2 (MQTT.js does the rest of that). */
  acknowledge(messageId: number, qos: 1 | 2): void {
    if (!this.alive) return;
    this.#gather();
    this.#acknowledgements.push(qos === 1 ? 0x40 : 0x50, messageId);
  }

  /** Hands over to the kernel what has gathered in this turn. */
  flush(): void {
    if (!this.#isGathering) return;
    this.#isGathering = false;
    const { stream } = this.client;
    const acknowledgements = this.#acknowledgements;
    this.#acknowledgements = [];
    if (!this.alive) return;
    if (acknowledgements.length > 0) stream.write(acknowledgementPackets(acknowledgements));
    stream.uncork();
  }

  /** Resolves when the stream takes more, or is gone. */
  drained(): Promise<void> {
    const { stream } = this.client;
    if (!this.alive || !stream.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        stream.off('drain', done);
        stream.off('close', done);
        resolve();
      };
      stream.on('drain', done);
      stream.on('close', done);
    });
  }

  /** What we have written and the kernel has not taken, in bytes. */
  get unsentBytes(): number {
    return this.client.stream.writableLength;
  }

  /** Drops the connection without a word, as a power cut would; `why` is what the user hears. */
  destroy(why: string): void {
    this.client.emit('error', new Error(why));
    this.client.stream.destroy();
  }

  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.client.stream.cork();
    setImmediate(() => this.flush());
  }
}

/** Four bytes each: success needs no reason code (MQTT 5 section 3.4.2.1). */
function acknowledgementPackets(acknowledgements: readonly number[]): Buffer {
  const packets = Buffer.allocUnsafe(acknowledgements.length * 2);
  for (let index = 0; index < acknowledgements.length; index += 2) {
    const position = index * 2;
    packets[position] = acknowledgements[index]!;
    packets[position + 1] = 2;
    packets.writeUInt16BE(acknowledgements[index + 1]!, position + 2);
  }
  return packets;
}
