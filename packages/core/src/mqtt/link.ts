import type { MqttClient } from 'mqtt';
import type { Packet } from 'mqtt-packet';

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
  readonly codec: PacketCodec;
}

/** What we need of mqtt-packet. */
export interface PacketCodec {
  writeToStream(packet: Packet, stream: NodeJS.WritableStream, options: object): boolean;
  generate(packet: Packet, options: object): Buffer;
}

/**
 * One live connection to a broker. PUBLISH and PUBACK are written here, straight to the stream, so that
 * the in-flight window, the order and the moment of each acknowledgement are ours; MQTT.js does the
 * handshake, the parsing and the keepalive.
 */
export class Link {
  readonly client: MqttClient;
  /** The broker's address, without password. */
  readonly url: string;
  readonly protocolVersion: 4 | 5;
  /** Whether the broker still knew our session. */
  readonly sessionPresent: boolean;
  readonly limits: BrokerLimits;
  readonly #codec: PacketCodec;

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
    this.#codec = details.codec;
  }

  get alive(): boolean {
    return this.client.connected && !this.client.stream.destroyed;
  }

  /**
   * Writes a packet; false when enough waits to be written, then wait for `drained()`. What is sent in one
   * turn goes to the kernel in one call, so it pays to let more gather than a stream's own 16 KiB.
   */
  send(packet: Packet): boolean {
    if (!this.alive) return true;
    const { stream } = this.client;
    const isTaken = this.#codec.writeToStream(packet, stream, { protocolVersion: this.protocolVersion });
    return isTaken || stream.writableLength < GATHERED_BYTES;
  }

  /** The size of a packet on the wire, in bytes. */
  sizeOf(packet: Packet): number {
    return this.#codec.generate(packet, { protocolVersion: this.protocolVersion }).byteLength;
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
}
