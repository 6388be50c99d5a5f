import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { KafkaError } from './errors.ts';
import type { InRecord } from './types.ts';

/** An aborted transaction as a fetch response lists it: records of this producer from this offset on do not count. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface DecodedRecordSet {
  readonly records: InRecord[];
  /** One past the last offset that the complete batches cover; -1 when there is no complete batch. */
  readonly nextOffset: number;
}

// Offsets of the fields of a record batch, message format v2 (KIP-98).
const LENGTH_AT = 8;
const MAGIC_AT = 16;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const FIRST_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const RECORD_COUNT_AT = 57;
const RECORDS_AT = 61;
const OVERHEAD_BYTES = 12; // base offset and length, which the length does not count
const MAGIC_V2 = 2;
const COMPRESSION_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const CONTROL_ABORT = 0;

/**
 * Decodes the record batches of one partition of a fetch response.
 *
 * kafkajs has a decoder too; this one is here for two reasons. After compaction a batch may be empty or end before its
 * last offset, and only the batch header tells where the next fetch must start: a reader that goes by the records
 * alone stands still there, which a restore from a changelog cannot afford. And it decodes headers when asked, not
 * always, which is most of the time a fetch takes.
 *
 * Records below `fromOffset` (a fetch answers with whole batches), control records and, with `aborted`, records of
 * aborted transactions are left out. Bytes of a batch that was cut off at the end are ignored.
 */
export function decodeRecordSet(
  set: Buffer,
  partition: { readonly topic: string; readonly partition: number },
  fromOffset: number,
  aborted: readonly AbortedTransaction[] = [],
): DecodedRecordSet {
  const records: InRecord[] = [];
  const pending = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const abortedProducers = new Set<number>();
  let nextOffset = -1;
  let at = 0;
  while (at + OVERHEAD_BYTES <= set.length) {
    const length = set.readInt32BE(at + LENGTH_AT);
    if (at + OVERHEAD_BYTES + length > set.length) break; // cut off by the size limit of the fetch
    if (set[at + MAGIC_AT] !== MAGIC_V2) {
      throw new KafkaError(
        'corrupt',
        `${partition.topic}-${partition.partition}: record batch of format ${set[at + MAGIC_AT]}, only 2 is supported`,
      );
    }
    const batch = set.subarray(at, at + OVERHEAD_BYTES + length);
    at += OVERHEAD_BYTES + length;

    const baseOffset = readInt64(batch, 0);
    const lastOffset = baseOffset + batch.readInt32BE(LAST_OFFSET_DELTA_AT);
    nextOffset = lastOffset + 1;
    const attributes = batch.readInt16BE(ATTRIBUTES_AT);
    const producerId = readInt64(batch, PRODUCER_ID_AT);
    while (pending[0] !== undefined && pending[0].firstOffset <= lastOffset) {
      abortedProducers.add(pending[0].producerId);
      pending.shift();
    }
    if ((attributes & CONTROL) !== 0) {
      if (controlType(batch) === CONTROL_ABORT) abortedProducers.delete(producerId);
      continue;
    }
    if ((attributes & TRANSACTIONAL) !== 0 && abortedProducers.has(producerId)) continue;
    if (lastOffset < fromOffset) continue;
    decodeRecords(batch, attributes, baseOffset, partition, fromOffset, records);
  }
  return { records, nextOffset };
}

function decodeRecords(
  batch: Buffer,
  attributes: number,
  baseOffset: number,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  fromOffset: number,
  into: InRecord[],
): void {
  const count = batch.readInt32BE(RECORD_COUNT_AT);
  const firstTimestampMs = readInt64(batch, FIRST_TIMESTAMP_AT);
  const appendTimeMs = (attributes & LOG_APPEND_TIME) !== 0 ? readInt64(batch, MAX_TIMESTAMP_AT) : undefined;
  const body = decompress(batch.subarray(RECORDS_AT), attributes & COMPRESSION_MASK);
  const cursor = new Cursor(body);
  for (let i = 0; i < count; i++) {
    const end = cursor.varint() + cursor.at;
    cursor.at += 1; // record attributes: unused
    const timestampDeltaMs = cursor.varint();
    const offset = baseOffset + cursor.varint();
    const keyLength = cursor.varint();
    const keyAt = cursor.skip(keyLength);
    const valueLength = cursor.varint();
    const valueAt = cursor.skip(valueLength);
    if (offset >= fromOffset) {
      const timestampMs = appendTimeMs ?? firstTimestampMs + timestampDeltaMs;
      into.push(
        new FetchedRecord(topic, partition, offset, timestampMs, body, keyAt, keyLength, valueAt, valueLength, end),
      );
    }
    cursor.at = end;
  }
}

/**
 * A record that is still part of its batch: key, value and headers are cut out when they are asked for. A view of the
 * bytes costs more than all that is read to find where it starts, and most readers need one or two of them.
 */
class FetchedRecord implements InRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly #body: Buffer;
  readonly #keyAt: number;
  readonly #keyLength: number;
  readonly #valueAt: number;
  readonly #valueLength: number;
  readonly #end: number;
  #headers: Record<string, Buffer | undefined> | undefined;

  constructor(
    topic: string,
    partition: number,
    offset: number,
    timestampMs: number,
    body: Buffer,
    keyAt: number,
    keyLength: number,
    valueAt: number,
    valueLength: number,
    end: number,
  ) {
    this.topic = topic;
    this.partition = partition;
    this.offset = offset;
    this.timestampMs = timestampMs;
    this.#body = body;
    this.#keyAt = keyAt;
    this.#keyLength = keyLength;
    this.#valueAt = valueAt;
    this.#valueLength = valueLength;
    this.#end = end;
  }

  get key(): Buffer | null {
    return this.#keyLength < 0 ? null : this.#body.subarray(this.#keyAt, this.#keyAt + this.#keyLength);
  }

  get value(): Buffer | null {
    return this.#valueLength < 0 ? null : this.#body.subarray(this.#valueAt, this.#valueAt + this.#valueLength);
  }

  get headers(): Record<string, Buffer | undefined> {
    if (this.#headers === undefined) {
      const at = this.#valueAt + Math.max(0, this.#valueLength);
      this.#headers = this.#body[at] === 0 ? NO_HEADERS : decodeHeaders(this.#body.subarray(at, this.#end));
    }
    return this.#headers;
  }

  /** See `headerOf`. */
  header(name: string): Buffer | undefined {
    if (this.#headers !== undefined) return this.#headers[name];
    const body = this.#body;
    const cursor = new Cursor(body);
    cursor.at = this.#valueAt + Math.max(0, this.#valueLength);
    let found: Buffer | undefined;
    for (let left = cursor.varint(); left > 0; left -= 1) {
      const nameLength = cursor.varint();
      const nameAt = cursor.skip(nameLength);
      const length = cursor.varint();
      const at = cursor.skip(length);
      if (nameLength !== name.length || !isAt(body, nameAt, name)) continue;
      found = length < 0 ? undefined : body.subarray(at, at + length);
    }
    return found;
  }
}

/**
 * One header of a record, where the others are not wanted: to make all of them costs twenty times as much. Of repeated
 * names the last one counts.
 *
 * @param name ASCII
 */
export function headerOf(record: InRecord, name: string): Buffer | undefined {
  return record instanceof FetchedRecord ? record.header(name) : record.headers[name];
}

function isAt(bytes: Buffer, at: number, ascii: string): boolean {
  for (let i = 0; i < ascii.length; i += 1) if (bytes[at + i] !== ascii.charCodeAt(i)) return false;
  return true;
}

const NO_HEADERS: Record<string, Buffer | undefined> = Object.freeze(Object.create(null));

function decodeHeaders(bytes: Buffer): Record<string, Buffer | undefined> {
  // No prototype: a header may have any name, also `__proto__`.
  const headers: Record<string, Buffer | undefined> = Object.create(null);
  const cursor = new Cursor(bytes);
  const count = cursor.varint();
  for (let i = 0; i < count; i++) {
    const name = cursor.bytes()?.toString('utf8') ?? '';
    headers[name] = cursor.bytes() ?? undefined; // of repeated names the last one counts
  }
  return headers;
}

/** Reads the protocol's zig-zag varints (32 and 64 bit alike: values stay below 2^53). */
class Cursor {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.at++] ?? 0;
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let value = byte & 0x7f;
    byte = bytes[this.at++] ?? 0;
    value |= (byte & 0x7f) << 7;
    if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    let factor = 0x4000;
    do {
      byte = bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * factor;
      factor *= 0x80;
    } while (byte >= 0x80 && this.at < bytes.length);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Passes by so many bytes (none of a negative length, which is null), and returns where they start. */
  skip(length: number): number {
    const start = this.at;
    if (length > 0) this.at += length;
    return start;
  }

  bytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    const start = this.at;
    this.at = start + length;
    return this.#bytes.subarray(start, this.at);
  }
}

function decompress(body: Buffer, codec: number): Buffer {
  if (codec === 0) return body;
  if (codec === 1) return gunzipSync(body);
  if (codec === 4) return zstdDecompressSync(body);
  throw new KafkaError(
    'corrupt',
    `record batch compressed with codec ${codec}; supported are none (0), gzip (1) and zstd (4)`,
  );
}

/** The key of a control record is its version and type (0 abort, 1 commit), two bytes each. */
function controlType(batch: Buffer): number {
  const cursor = new Cursor(batch.subarray(RECORDS_AT));
  cursor.varint();
  cursor.at += 1;
  cursor.varint();
  cursor.varint();
  const key = cursor.bytes();
  return key === null || key.length < 4 ? -1 : key.readInt16BE(2);
}

/** A signed 64-bit integer as a number; what Kafka stores in these fields stays below 2^53. */
export function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 4294967296 + bytes.readUInt32BE(at + 4);
}
