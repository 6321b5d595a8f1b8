import { timeOf } from '../attributes';
import { foreignId } from '../identity';
import type { Delivery, Message, Properties } from '../message';
import { propertyOf } from '../message';

/** What names an object: where and when its picture was taken. */
export interface Provenance {
  readonly id: string;
  readonly camera: string;
  /** Milliseconds since 1970 (UTC). */
  readonly capturedAt: number;
  /** Whether `capturedAt` is only when it arrived, since it does not say more. */
  readonly isDatedByArrival: boolean;
  /** Milliseconds since 1970 (UTC), where the message says it. */
  readonly readAt?: number;
  /** What it was read from: properties of the message or attributes in the picture. */
  readonly attributes: Properties;
}

/** The provenance that attributes give, or undefined where they lack the id or the time. */
export function provenanceOf(attributes: Properties): Provenance | undefined {
  const holder = { properties: attributes };
  const id = propertyOf(holder, 'id');
  const capturedAt = timeOf(holder, 'time');
  if (!id || capturedAt === undefined) return undefined;
  const readAt = timeOf(holder, 'readat');
  return {
    id,
    camera: propertyOf(holder, 'camera') || 'unknown',
    capturedAt,
    isDatedByArrival: false,
    ...(readAt !== undefined && { readAt }),
    attributes,
  };
}

/** The provenance of a message that says nothing of itself: the hash of what it is, when it arrived. */
export function foreignProvenance(message: Message): Provenance {
  return {
    id: foreignId(message.topic ?? '', message.payload),
    camera: 'unknown',
    capturedAt: arrivalOf(message),
    isDatedByArrival: true,
    attributes: {},
  };
}

/** When a message arrived, in milliseconds since 1970 (UTC); now, for one that no broker delivered. */
export function arrivalOf(message: Message | Delivery): number {
  return 'receivedAt' in message ? message.receivedAt : Date.now();
}
