import { type TimeAttribute, timeOf } from '../attributes';
import type { Box } from '../face';
import { type Properties, propertyOf } from '../message';
import type { Provenance } from './provenance';

/** Times are RFC 3339 in UTC with milliseconds, in the order of the way; one that nobody wrote down is missing. */
export interface ManifestTimes {
  /** When the picture was taken. */
  readonly captured: string;
  /** When the frame was read. */
  readonly read?: string;
  /** When the detector was done with the frame. */
  readonly detected?: string;
  /** When the publisher was given the picture. */
  readonly published?: string;
  /** When the bridge had it. */
  readonly bridged?: string;
  /** When it came from the broker. */
  readonly received?: string;
  /** When the object was durable; by the cloud's clock, as `received`. */
  readonly stored: string;
}

/** One line of the manifest: what became of one message. */
export interface ManifestRow extends ManifestTimes {
  /**
   * `stored`, `conflict` and `rejected` as in `StoredReport`; `gap`: the record of pictures that were dropped
   * on purpose on the way; `forgotten`: the object was there and has been deleted for good.
   */
  readonly outcome: 'stored' | 'conflict' | 'rejected' | 'gap' | 'forgotten';
  /** The message's id. */
  readonly id: string;
  /** Where the bytes are. No two rows that say the same have another one. */
  readonly key: string;
  /**
   * When its object was last known to be there, where the message was delivered more than once: it was found
   * there, or stored anew since it had been removed. RFC 3339 in UTC.
   */
  readonly again?: string;
  /** The camera's name. */
  readonly camera: string;
  /** The run of the publisher's process, drawn at random; left out for foreign messages. */
  readonly boot?: string;
  /** Without gaps by camera and boot. */
  readonly number?: number;
  /** The frame's number within that run. */
  readonly sequence?: number;
  /** The detector's name. */
  readonly detector?: string;
  /** The visit, where a tracker has named one. */
  readonly track?: string;
  /** In pixels of the full frame. */
  readonly box?: Box;
  /** The full frame, `1920x1080`. */
  readonly framesize?: string;
  /** How sure the detector was; larger is surer. */
  readonly score?: number;
  /** How good a picture it is, from 0 to 1. */
  readonly quality?: number;
  /** Where `captured` comes from. */
  readonly clock?: string;
  /** How long receipts took to come back to the publisher (see `PictureAttributes`), in milliseconds. */
  readonly receiptms?: number;
  /** The topic by which it arrived. */
  readonly topic?: string;
  /** MIME type of the object. */
  readonly type?: string;
  /** The size of the object. */
  readonly bytes: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
  /** Of a `gap`: the numbers that will never come, `17-25,28`. */
  readonly numbers?: string;
  /** Of a `gap` or a `rejected`. */
  readonly reason?: string;
}

export interface RowParts extends Pick<ManifestRow, 'outcome' | 'key' | 'bytes' | 'sha256'> {
  readonly provenance: Provenance;
  readonly topic?: string | undefined;
  readonly type?: string | undefined;
  readonly numbers?: string | undefined;
  readonly reason?: string | undefined;
  /** Milliseconds since 1970 (UTC). */
  readonly receivedAt?: number | undefined;
  readonly storedAt: number;
}

/** Longer values come from nobody we know; they would swell the manifest and say nothing. */
const LONGEST_VALUE = 512;
const CANONICAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const BOX = /^(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?),(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)$/;
const NUMBER = /^-?\d{1,15}(?:\.\d{1,9})?$/;
const COUNT = /^\d{1,15}$/;

/** The row for a message; what its attributes do not say, or say in another form, is missing. */
export function rowOf({ provenance, receivedAt, storedAt, ...parts }: RowParts): ManifestRow {
  const { attributes, camera } = provenance;
  const row: { -readonly [Name in keyof ManifestRow]?: ManifestRow[Name] | undefined } = {
    outcome: parts.outcome,
    id: provenance.id,
    key: parts.key,
    camera,
    boot: textOf(attributes, 'boot'),
    number: countOf(attributes, 'number'),
    sequence: countOf(attributes, 'sequence'),
    detector: textOf(attributes, 'detector'),
    track: textOf(attributes, 'subject'),
    box: boxOf(attributes),
    framesize: textOf(attributes, 'framesize'),
    score: numberOf(attributes, 'score'),
    quality: numberOf(attributes, 'quality'),
    clock: textOf(attributes, 'clock'),
    receiptms: numberOf(attributes, 'receiptms'),
    captured: timeIn(attributes, 'time') ?? isoOf(provenance.capturedAt),
    read: timeIn(attributes, 'readat'),
    detected: timeIn(attributes, 'detectedat'),
    published: timeIn(attributes, 'publishedat'),
    bridged: timeIn(attributes, 'bridgedat'),
    received: isoOf(receivedAt),
    stored: isoOf(storedAt),
    topic: shortened(parts.topic),
    type: shortened(parts.type),
    bytes: parts.bytes,
    sha256: parts.sha256,
    numbers: parts.numbers,
    reason: parts.reason?.slice(0, LONGEST_VALUE),
  };
  return row as ManifestRow;
}

/** When its object was last known to be there. */
export function lastThere({ stored, again }: Pick<ManifestRow, 'stored' | 'again'>): string {
  return again ?? stored;
}

/** A row as a line of JSON, with its end. */
export function encodeRow(row: ManifestRow): string {
  return `${JSON.stringify(row)}\n`;
}

/** The rows in a file of the manifest, and how many of its lines are none. */
export function decodeRows(data: Uint8Array): { readonly rows: ManifestRow[]; readonly damaged: number };
/** @param keep what is wanted of each row and its line: the rest of a file is not held in memory */
export function decodeRows<Kept>(
  data: Uint8Array,
  keep: (row: ManifestRow, line: string) => Kept,
): { readonly rows: Kept[]; readonly damaged: number };
export function decodeRows(
  data: Uint8Array,
  keep: (row: ManifestRow, line: string) => unknown = (row) => row,
): { readonly rows: unknown[]; readonly damaged: number } {
  const rows: unknown[] = [];
  let damaged = 0;
  for (const line of Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString().split('\n')) {
    if (line === '') continue;
    const row = rowIn(line);
    if (row) rows.push(keep(row, line));
    else damaged += 1;
  }
  return { rows, damaged };
}

function rowIn(line: string): ManifestRow | undefined {
  try {
    const row = JSON.parse(line) as ManifestRow;
    const texts = [row.outcome, row.id, row.key, row.camera, row.captured, row.stored];
    return texts.every((text) => typeof text === 'string') ? row : undefined;
  } catch {
    return undefined;
  }
}

function isoOf(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : new Date(milliseconds).toISOString();
}

function timeIn(attributes: Properties, name: TimeAttribute): string | undefined {
  const milliseconds = timeOf({ properties: attributes }, name);
  const text = propertyOf({ properties: attributes }, name);
  // Ours are in this form already; writing a date takes longer than reading one.
  return milliseconds !== undefined && CANONICAL.test(text ?? '') ? text : isoOf(milliseconds);
}

function textOf(attributes: Properties, name: string): string | undefined {
  return shortened(propertyOf({ properties: attributes }, name));
}

function shortened(text: string | undefined): string | undefined {
  return text !== undefined && text.length <= LONGEST_VALUE ? text : undefined;
}

function numberOf(attributes: Properties, name: string): number | undefined {
  const text = propertyOf({ properties: attributes }, name);
  return text !== undefined && NUMBER.test(text) ? Number(text) : undefined;
}

function countOf(attributes: Properties, name: string): number | undefined {
  const text = propertyOf({ properties: attributes }, name);
  return text !== undefined && COUNT.test(text) ? Number(text) : undefined;
}

function boxOf(attributes: Properties): Box | undefined {
  const match = BOX.exec(propertyOf({ properties: attributes }, 'box') ?? '');
  if (!match) return undefined;
  const [x = 0, y = 0, width = 0, height = 0] = match.slice(1).map(Number);
  return { x, y, width, height };
}
