/** MQTT 5 user properties; a name that came more than once keeps all its values in order. */
export type Properties = Readonly<Record<string, string | readonly string[]>>;

/** What travels: a payload with its name and its metadata. */
export interface Message {
  /** Stable from capture to object; the CloudEvents `id`. */
  readonly id: string;
  /** The topic it is published on, or came from. A publisher fills in its own where it is missing. */
  readonly topic?: string;
  /** The picture's bytes, nothing else. */
  readonly payload: Uint8Array;
  /** MIME type of the payload, the MQTT 5 Content Type. */
  readonly contentType?: string;
  /** MQTT 5 user properties: the CloudEvents attributes in binary mode, and whatever else came along. */
  readonly properties: Properties;
  /** Whether the broker keeps it for later subscribers. @default false */
  readonly retain?: boolean;
  /** Seconds after which it is of no use to anybody (MQTT 5 message expiry, section 3.3.2.3.3). */
  readonly expirySeconds?: number;
  /** 0: sent once if we are connected, and dropped (and counted) if not; no spool, no receipt. @default 1 */
  readonly qos?: 0 | 1;
  /** Of what waits in a spool, a higher one goes first; a whole number that does not travel. @default 0 */
  readonly priority?: number;
  /** MQTT 5 response topic (section 3.3.2.3.5), carried through. */
  readonly responseTopic?: string;
  /** MQTT 5 correlation data (section 3.3.2.3.6), carried through. */
  readonly correlationData?: Uint8Array;
  /** MQTT 5 payload format indicator (section 3.3.2.3.2): whether the payload is UTF-8 text. */
  readonly payloadIsText?: boolean;
}

/** A message that came from a broker: it stays the broker's until `ack()`. */
export interface Delivery extends Message {
  readonly topic: string;
  /** When it arrived here, in milliseconds since 1970 (UTC). */
  readonly receivedAt: number;
  /** The broker says it may have sent this before (MQTT DUP flag). */
  readonly redelivered: boolean;
  /**
   * Tells the broker to forget the message. Acknowledgements leave in the order in which the messages
   * came (MQTT 5 section 4.6), on the connection that brought them; on a later one they are void and
   * the broker delivers the message again. Calling it twice is harmless.
   */
  ack(): void;
}

/** The single value of a property, the first where there are several. */
export function propertyOf(message: Pick<Message, 'properties'>, name: string): string | undefined {
  const value = Object.hasOwn(message.properties, name) ? message.properties[name] : undefined;
  return typeof value === 'string' ? value : value?.[0];
}
