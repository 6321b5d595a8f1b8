import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import mqttPacket, { type IPublishPacket, type Packet } from 'mqtt-packet';

/** MQTT 3.1.1 with nothing around it, so that the load takes little of the processor that is measured. */
export class RawClient {
  readonly #socket: Socket;
  #handle: (packet: Packet) => void = () => {};
  /** What a session that was kept brings before we have subscribed again. */
  readonly #early: IPublishPacket[] = [];
  #receive = (packet: IPublishPacket) => void this.#early.push(packet);
  #publishMore = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    const parser = mqttPacket.parser({ protocolVersion: 4 });
    parser.on('packet', (packet) => {
      if (packet.cmd === 'publish') this.#receive(packet);
      else this.#handle(packet);
    });
    socket.on('data', (data) => parser.parse(data));
  }

  /** `keepsSession`: what comes while it is away waits for it. */
  static async connect(port: number, clientId: string, keepsSession = false): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1').setNoDelay(true);
    await once(socket, 'connect');
    const client = new RawClient(socket);
    const accepted = client.#next('connack');
    client.#send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: !keepsSession,
      clientId,
      keepalive: 0,
    });
    await accepted;
    return client;
  }

  /**
   * Publishes with QoS 1, so many in flight at once; each payload begins with the time of its sending (8 bytes)
   * and its number (4 bytes).
   * @param allowed how many may have been published by now; `allowMore()` when that has grown
   */
  async publishAll(
    topic: string,
    count: number,
    bytes: number,
    window: number,
    firstNumber = 0,
    allowed = () => count,
  ): Promise<void> {
    let sent = 0;
    let acknowledged = 0;
    const pattern = Buffer.alloc(bytes, 7);
    const sendOne = () => {
      // The socket may still hold the one before.
      const payload = Buffer.from(pattern);
      payload.writeDoubleLE(Date.now() + (performance.now() % 1));
      payload.writeUInt32LE(firstNumber + sent, 8);
      sent += 1;
      this.#send({
        cmd: 'publish',
        topic,
        payload,
        qos: 1,
        dup: false,
        retain: false,
        messageId: (sent % 65_000) + 1,
      });
    };
    await new Promise<void>((resolve) => {
      this.#publishMore = () => {
        const end = Math.min(count, acknowledged + window, allowed());
        while (sent < end) sendOne();
      };
      this.#handle = ({ cmd }) => {
        if (cmd !== 'puback') return;
        acknowledged += 1;
        this.#publishMore();
        if (acknowledged === count) resolve();
      };
      this.#publishMore();
    });
  }

  allowMore(): void {
    this.#publishMore();
  }

  /** Subscribes with QoS 1 and acknowledges at once. */
  async subscribe(topic: string, onMessage: (payload: Buffer) => void): Promise<void> {
    this.#receive = ({ messageId, payload }) => {
      this.#send({ cmd: 'puback', messageId: messageId! });
      onMessage(payload as Buffer);
    };
    for (const packet of this.#early.splice(0)) this.#receive(packet);
    const granted = this.#next('suback');
    this.#send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] });
    await granted;
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(packet: Packet): void {
    mqttPacket.writeToStream(packet, this.#socket, { protocolVersion: 4 });
  }

  #next(cmd: Packet['cmd']): Promise<void> {
    return new Promise((resolve) => {
      this.#handle = (packet) => {
        if (packet.cmd === cmd) resolve();
      };
    });
  }
}
