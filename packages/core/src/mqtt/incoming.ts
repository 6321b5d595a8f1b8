import type { Duplex } from 'node:stream';
import { Slab } from '../slab';
import { LAST_OWN_IDENTIFIER } from './packet-identifiers';
import { decodePublish, type IncomingPublish, variableByteInteger } from './publish-packet';
import { MalformedPacket } from './publish-properties';

/** Who hears of the packets that we handle ourselves. */
export interface IncomingUser {
  /** Whether who gets a message gives its payload back (`giveBack()`), or never changes or keeps it. @default false */
  readonly borrows?: boolean | undefined;
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
/** As much as the kernel gives at once is worth a call, in bytes. */
const READ_BYTES = 64 * 1024;

/**
 * Reads a connection: PUBLISH and PUBACK packets are ours, all others go on to who has read the stream
 * until now (MQTT.js), as they are. A packet always lies in one piece, in a slab: a plain socket is read straight
 * into it (`onread`), what comes from any other stream is copied there. Nobody acknowledges a message but us.
 */
export class Incoming {
  readonly #user: IncomingUser;
  readonly #protocolVersion: 4 | 5;
  #slab = new Slab(0);
  /** In the slab: where what has not been looked at begins and ends. */
  #start = 0;
  #end = 0;
  /** How long the packet is that begins there, with its header; 0 where that is not known yet. */
  #wanted = 0;
  #stream: Duplex | undefined;
  #others: readonly Listener[] = [];
  #isHeld = false;
  #isBroken = false;

  constructor(protocolVersion: 4 | 5, user: IncomingUser) {
    this.#protocolVersion = protocolVersion;
    this.#user = user;
  }

  /** The option of `net.connect()` of the same name. */
  get onread() {
    return {
      buffer: () => this.#room(READ_BYTES),
      callback: (bytes: number) => {
        this.#end += bytes;
        this.#read();
        return true;
      },
    };
  }

  /** @param stream of MQTT.js, before anything has been read */
  attach(stream: Duplex): void {
    this.#stream = stream;
    this.#others = stream.listeners('data') as Listener[];
    for (const listener of this.#others) stream.off('data', listener);
    stream.on('data', (chunk: Buffer) => {
      chunk.copy(this.#room(chunk.length));
      this.#end += chunk.length;
      this.#read();
    });
  }

  /** Reads on after a `publish()` that was answered with false. */
  resume(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#read();
    if (!this.#isHeld) this.#stream?.resume();
  }

  /** Where the next bytes come, at least so many: what is there of a packet moves where all of it has room. */
  #room(bytes: number): Buffer {
    const begun = this.#end - this.#start;
    if (begun === 0 && this.#slab.isUnused) {
      this.#start = 0;
      this.#end = 0;
    }
    const size = this.#slab.bytes.length;
    if (this.#end + bytes > size || this.#start + this.#wanted > size) {
      const before = this.#slab;
      // A length is only a claim: memory for a large packet grows with what has come of it.
      this.#slab = new Slab(begun + Math.max(bytes, Math.min(this.#wanted - begun, begun)));
      before.bytes.copy(this.#slab.bytes, 0, this.#start, this.#end);
      before.full();
      this.#start = 0;
      this.#end = begun;
    }
    return this.#slab.bytes.subarray(this.#end);
  }

  #read(): void {
    if (this.#isBroken) {
      this.#start = this.#end;
      return;
    }
    try {
      while (!this.#isHeld && this.#readPacket());
    } catch (error) {
      if (!(error instanceof MalformedPacket)) throw error;
      this.#isBroken = true;
      this.#user.malformed(error);
    }
    if (this.#isHeld) this.#stream?.pause();
  }

  /** False where no more packet has come whole. */
  #readPacket(): boolean {
    const start = this.#start;
    if (start === this.#end) return false;
    const data = this.#slab.bytes;
    // Not waiting for its end: so begins what a web server answers.
    if (data[start]! > 0x40 && data[start]! < 0x50) throw new MalformedPacket('a PUBACK with flags');
    const length = variableByteInteger(data, start + 1, this.#end);
    const end = length ? length.end + length.value : 0;
    this.#wanted = end - start;
    if (!length || end > this.#end) {
      this.#wanted = Math.max(0, this.#wanted);
      return false;
    }
    this.#wanted = 0;
    this.#start = end;
    this.#isHeld = !this.#packet(data, { start, body: length.end, end });
    return true;
  }

  /** False where there is no room for more. */
  #packet(
    data: Buffer,
    place: { readonly start: number; readonly body: number; readonly end: number },
  ): boolean {
    const { start, body, end } = place;
    const type = data[start]! >> 4;
    if (type === PUBLISH && this.#user.publish) {
      const packet = decodePublish(data, place, this.#protocolVersion);
      packet.payload = this.#user.borrows ? this.#slab.lend(packet.payload) : Buffer.from(packet.payload);
      return this.#user.publish(packet);
    }
    if (type === PUBACK && end < body + 2) throw new MalformedPacket('a PUBACK without a packet identifier');
    if (type === PUBACK && this.#user.puback && data.readUInt16BE(body) <= LAST_OWN_IDENTIFIER) {
      this.#user.puback(data.readUInt16BE(body), end > body + 2 ? data[body + 2]! : 0);
      return true;
    }
    for (const listener of this.#others) listener(Buffer.from(data.subarray(start, end)));
    return true;
  }
}
