import { Buffer } from 'node:buffer'; // the global of that name is a getter, and this is a hot path
import type { EventLog } from './event-log.ts';

/**
 * Events per changelog record. More make fewer records and tombstones, fewer make less to write again for each event:
 * the newest chunk of a key is written with every commit that adds to it.
 */
export const CHUNK_EVENTS = 8;

const SEPARATOR = '\u0000';
/** Of a chunk's value. It is the last byte, where the layout before this one had that of a double: never 1 in practice. */
const VERSION = 1;
const DOUBLE_BYTES = 8;
/** The stream time of the last event added to the key. */
const HEAD_DOUBLES = 1;
/** How many events have ever been added to the chunk, and the version. */
const TAIL_BYTES = 2;

export const chunkOf = (sequence: number): number => Math.floor(sequence / CHUNK_EVENTS);
export const firstOfChunk = (chunk: number): number => chunk * CHUNK_EVENTS;

/** A chunk's key in the changelog. */
export const chunkKey = (key: string, chunk: number): string => `${key}${SEPARATOR}${chunk}`;

/** Undefined when it is not the key of a chunk. */
export function parseChunkKey(changelogKey: string): { readonly key: string; readonly chunk: number } | undefined {
  const separator = changelogKey.lastIndexOf(SEPARATOR);
  const chunk = Number(changelogKey.slice(separator + 1));
  return separator < 0 || !Number.isSafeInteger(chunk) ? undefined : { key: changelogKey.slice(0, separator), chunk };
}

/**
 * Reads and writes the values of the changelog. A chunk holds those of its events that are alive:
 * touchedAtMs | time, fields... of each event | place in the chunk of each event (a byte) | events ever added (a byte) | 1
 * Numbers are doubles, little-endian (that of every processor on which Node runs).
 */
export class ChunkCodec {
  readonly #stride: number;
  readonly #doubles: Float64Array;
  readonly #bytes: Buffer;
  /** What was read last. */
  rows = 0;
  added = 0;
  #placesAt = 0;

  constructor(fields: number) {
    this.#stride = 1 + fields;
    this.#doubles = new Float64Array(HEAD_DOUBLES + CHUNK_EVENTS * (this.#stride + 1) + 1);
    this.#bytes = Buffer.from(this.#doubles.buffer);
  }

  /** The value of a chunk of the open key; undefined when none of its events is alive and no more can come. */
  encode(log: EventLog, chunk: number): Buffer | undefined {
    const first = firstOfChunk(chunk);
    const added = Math.min(log.nextSequence - first, CHUNK_EVENTS);
    const rows: number[] = [];
    // The newest chunk is at the end, and in order: then the search ends after as many rows as it has.
    for (let row = log.length - 1; row >= 0 && rows.length < added; row--) {
      const sequence = log.sequenceAt(row);
      if (sequence >= first && sequence < first + CHUNK_EVENTS) rows.push(row);
      else if (sequence < first && log.inOrder) break;
    }
    if (rows.length === 0 && chunk !== chunkOf(log.nextSequence - 1)) return undefined;
    rows.reverse();
    let at = 0;
    this.#doubles[at++] = log.touchedAtMs;
    for (const row of rows) {
      this.#doubles[at++] = log.timeAt(row);
      for (let field = 0; field < this.#stride - 1; field++) this.#doubles[at++] = log.fieldAt(row, field);
    }
    let end = at * DOUBLE_BYTES;
    for (const row of rows) this.#bytes[end++] = log.sequenceAt(row) - first;
    this.#bytes[end++] = added;
    this.#bytes[end++] = VERSION;
    const value = Buffer.allocUnsafe(end);
    this.#bytes.copy(value, 0, 0, end);
    return value;
  }

  /** Takes in a value, for the questions below; false when it is not a chunk with these fields. */
  decode(value: Buffer): boolean {
    const rowBytes = this.#stride * DOUBLE_BYTES + 1;
    const rows = (value.length - HEAD_DOUBLES * DOUBLE_BYTES - TAIL_BYTES) / rowBytes;
    if (!Number.isInteger(rows) || rows < 0 || rows > CHUNK_EVENTS || value[value.length - 1] !== VERSION) return false;
    value.copy(this.#bytes);
    this.rows = rows;
    this.added = value[value.length - TAIL_BYTES] as number;
    this.#placesAt = (HEAD_DOUBLES + rows * this.#stride) * DOUBLE_BYTES;
    if (this.added > CHUNK_EVENTS) return false;
    for (let row = 0; row < rows; row++) if (this.placeAt(row) >= this.added) return false;
    return true;
  }

  get touchedAtMs(): number {
    return this.#doubles[0] as number;
  }

  placeAt(row: number): number {
    return this.#bytes[this.#placesAt + row] as number;
  }

  timeAt(row: number): number {
    return this.#doubles[HEAD_DOUBLES + row * this.#stride] as number;
  }

  fieldAt(row: number, field: number): number {
    return this.#doubles[HEAD_DOUBLES + row * this.#stride + 1 + field] as number;
  }
}
