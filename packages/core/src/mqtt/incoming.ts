import type { Duplex } from 'node:stream';
import { LAST_OWN_IDENTIFIER } from './packet-identifiers';
import { decodePublish, type IncomingPublish, variableByteInteger } from './publish-packet';
import { MalformedPacket } from './publish-properties';

/** Who hears of the packets that we handle ourselves. */
export interface IncomingUser {
  /** A message has come; with false nothing more is read until `resume()`. Without this, MQTT.js gets it. */
  publish?(packet: IncomingPublish): boolean;
  /** The broker has answered a message (MQTT 5 section 3.4; 0 is success). */
  puback?(messageId: number, reasonCode: number): void;
  /** What came is not MQTT; nothing more is read. */
  malformed(error: MalformedPacket): void;
}

type Listener = (chunk: Buffer) => void;

const PUBLISH = 3;
const PUBACK = 4;

/**
 * Reads a connection: PUBLISH and PUBACK packets are ours, all others go on to who has read the stream
 * until now (MQTT.js), as they are. It costs less than a fifth of what MQTT.js's parser takes a message, a
 * payload is not copied where it lies in one piece, and nobody acknowledges a message but us.
 */
export class Incoming {
  readonly #stream: Duplex;
  readonly #user: IncomingUser;
  readonly #protocolVersion: 4 | 5;
  readonly #others: readonly Listener[];
  /** The beginning of a packet whose end has not come. */
  #parts: Buffer[] = [];
  #partsLength = 0;
  /** How long that packet is, with its header; 0 where that has not come either. */
  #wanted = 0;
  /** Read, but not looked at while it is held. */
  #waiting: Buffer[] = [];
  #isHeld = false;
  #isBroken = false;

  /** @param stream of MQTT.js, before anything has been read */
  constructor(stream: Duplex, protocolVersion: 4 | 5, user: IncomingUser) {
    this.#stream = stream;
    this.#protocolVersion = protocolVersion;
    this.#user = user;
    this.#others = stream.listeners('data') as Listener[];
    for (const listener of this.#others) stream.off('data', listener);
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  /** Reads on after a `publish()` that was answered with false. */
  resume(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const chunk of waiting) this.#take(chunk);
    if (!this.#isHeld) this.#stream.resume();
  }

  #take(chunk: Buffer): void {
    if (this.#isBroken) return;
    if (this.#isHeld) {
      this.#waiting.push(chunk);
      this.#stream.pause();
      return;
    }
    try {
      this.#read(this.#parts.length > 0 ? this.#complete(chunk) : chunk);
    } catch (error) {
      if (!(error instanceof MalformedPacket)) throw error;
      this.#isBroken = true;
      this.#user.malformed(error);
    }
  }

  /** Reads the packet whose beginning has come before; gives what comes behind it. */
  #complete(chunk: Buffer): Buffer {
    const missing = this.#wanted === 0 ? chunk.length : this.#wanted - this.#partsLength;
    this.#keep(chunk.length > missing ? chunk.subarray(0, missing) : chunk, this.#wanted);
    if (chunk.length < missing) return chunk.subarray(chunk.length);
    const whole = Buffer.concat(this.#parts, this.#partsLength);
    this.#parts = [];
    this.#partsLength = 0;
    const rest = chunk.subarray(missing);
    if (this.#wanted === 0) return whole;
    this.#read(whole);
    if (!this.#isHeld) return rest;
    if (rest.length > 0) this.#waiting.push(rest);
    return rest.subarray(rest.length);
  }

  #read(data: Buffer): void {
    let start = 0;
    while (start < data.length) {
      // Not waiting for its end: so begins what a web server answers.
      if (data[start]! > 0x40 && data[start]! < 0x50) throw new MalformedPacket('a PUBACK with flags');
      const length = variableByteInteger(data, start + 1, data.length);
      const end = length ? length.end + length.value : 0;
      if (!length || end > data.length) {
        this.#keep(start === 0 ? data : data.subarray(start), length ? end - start : 0);
        return;
      }
      const isWanted = this.#packet(data, { start, body: length.end, end });
      start = end;
      if (isWanted) continue;
      this.#isHeld = true;
      this.#stream.pause();
      if (start < data.length) this.#waiting.push(data.subarray(start));
      return;
    }
  }

  #keep(part: Buffer, wanted: number): void {
    this.#parts.push(part);
    this.#partsLength += part.length;
    this.#wanted = wanted;
  }

  /** False where there is no room for more. */
  #packet(
    data: Buffer,
    place: { readonly start: number; readonly body: number; readonly end: number },
  ): boolean {
    const { start, body, end } = place;
    const type = data[start]! >> 4;
    if (type === PUBLISH && this.#user.publish) {
      return this.#user.publish(decodePublish(data, place, this.#protocolVersion));
    }
    if (type === PUBACK && end < body + 2) throw new MalformedPacket('a PUBACK without a packet identifier');
    if (type === PUBACK && this.#user.puback && data.readUInt16BE(body) <= LAST_OWN_IDENTIFIER) {
      this.#user.puback(data.readUInt16BE(body), end > body + 2 ? data[body + 2]! : 0);
      return true;
    }
    for (const listener of this.#others) listener(data.subarray(start, end));
    return true;
  }
}
