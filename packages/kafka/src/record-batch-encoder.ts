import { Buffer } from 'node:buffer'; // the global of that name is a getter, and this is a hot path
import { crc32c } from './crc32c.ts';
import type { OutRecord } from './types.ts';

/** Who writes a batch: what lets the broker drop a repeat and keep transactions apart (KIP-98). */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly transactional: boolean;
}

// Offsets of the fields of a record batch, message format v2.
const LENGTH_AT = 8;
const LEADER_EPOCH_AT = 12;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const FIRST_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const PRODUCER_EPOCH_AT = 51;
const BASE_SEQUENCE_AT = 53;
const RECORD_COUNT_AT = 57;
const RECORDS_AT = 61;
const OVERHEAD_BYTES = 12;
const MAGIC_V2 = 2;
const TRANSACTIONAL = 0x10;
const NO_LEADER_EPOCH = -1;
export const SEQUENCE_MODULUS = 2 ** 31;
/** Attributes, timestamp and offset deltas, the lengths of key and value, the number of headers, at their longest. */
const RECORD_OVERHEAD_BYTES_MAX = 40;
/** What a UTF-16 code unit takes in UTF-8 at most. */
const UTF8_BYTES_MAX = 3;
const LENGTH_BYTES_MAX = 5;
/** Of a record's length: right for 64 to 8,191 bytes, which most records are; the body of any other is moved. */
const RECORD_LENGTH_BYTES_USUAL = 2;
/** Up to here a loop over the characters is faster than the call that writes them at once. */
const SHORT_TEXT_LENGTH_MAX = 63;

export interface EncodedBatch {
  readonly bytes: Buffer;
  readonly records: number;
}

/**
 * The bytes of record batches, uncompressed, in the order of the records and with sequence numbers that follow each
 * other from `baseSequence`. A batch stays within `bytesMax`; a record that is larger by itself goes alone, for the
 * broker to judge. Records without a timestamp get `nowMs`.
 */
export function encodeRecordBatches(
  records: readonly OutRecord[],
  identity: ProducerIdentity,
  baseSequence: number,
  nowMs: number,
  bytesMax: number,
): EncodedBatch[] {
  const batches: EncodedBatch[] = [];
  for (let from = 0; from < records.length; ) {
    const sequence = (baseSequence + from) % SEQUENCE_MODULUS;
    const batch = encodeBatch(records, from, identity, sequence, nowMs, bytesMax);
    batches.push(batch);
    from += batch.records;
  }
  return batches;
}

/** One batch of the records from `from` on: as many as fit, and at least one. */
function encodeBatch(
  records: readonly OutRecord[],
  from: number,
  identity: ProducerIdentity,
  baseSequence: number,
  nowMs: number,
  bytesMax: number,
): EncodedBatch {
  const writer = SCRATCH;
  writer.at = RECORDS_AT;
  const firstMs = records[from]?.timestampMs ?? nowMs;
  let maxMs = firstMs;
  let count = 0;
  for (; from + count < records.length; count++) {
    const record = records[from + count] as OutRecord;
    const timestampMs = record.timestampMs ?? nowMs;
    const start = writer.at;
    writeRecord(writer, record, count, timestampMs - firstMs);
    if (writer.at > bytesMax && count > 0) {
      writer.at = start;
      break;
    }
    if (timestampMs > maxMs) maxMs = timestampMs;
  }
  const batch = Buffer.allocUnsafe(writer.at);
  writer.bytes.copy(batch, RECORDS_AT, RECORDS_AT, writer.at);
  writer.release();

  writeInt64(batch, 0, 0); // base offset: the broker's to give
  batch.writeInt32BE(batch.length - OVERHEAD_BYTES, LENGTH_AT);
  batch.writeInt32BE(NO_LEADER_EPOCH, LEADER_EPOCH_AT);
  batch[MAGIC_AT] = MAGIC_V2;
  batch.writeInt16BE(identity.transactional ? TRANSACTIONAL : 0, ATTRIBUTES_AT);
  batch.writeInt32BE(count - 1, LAST_OFFSET_DELTA_AT);
  writeInt64(batch, firstMs, FIRST_TIMESTAMP_AT);
  writeInt64(batch, maxMs, MAX_TIMESTAMP_AT);
  writeInt64(batch, identity.producerId, PRODUCER_ID_AT);
  batch.writeInt16BE(identity.producerEpoch, PRODUCER_EPOCH_AT);
  batch.writeInt32BE(baseSequence, BASE_SEQUENCE_AT);
  batch.writeInt32BE(count, RECORD_COUNT_AT);
  batch.writeUInt32BE(crc32c(batch, ATTRIBUTES_AT, batch.length), CRC_AT);
  return { bytes: batch, records: count };
}

function writeRecord(writer: Writer, record: OutRecord, offsetDelta: number, timestampDeltaMs: number): void {
  // The length comes first and is known last: the body is written behind a length of the usual size.
  const lengthAt = writer.at;
  const bodyAt = lengthAt + RECORD_LENGTH_BYTES_USUAL;
  writer.at = bodyAt;
  writer.reserve(RECORD_OVERHEAD_BYTES_MAX);
  writer.bytes[writer.at++] = 0; // attributes: none are defined
  writer.varint(timestampDeltaMs);
  writer.varint(offsetDelta);
  writer.data(record.key);
  writer.data(record.value);
  const { headers } = record;
  let count = 0;
  for (const _ in headers) count += 1;
  writer.varint(count);
  for (const name in headers) {
    writer.data(name);
    writer.data(headers[name] ?? '');
  }
  const length = writer.at - bodyAt;
  const lengthBytes = sizeOfLength(length);
  if (lengthBytes !== RECORD_LENGTH_BYTES_USUAL) writer.move(bodyAt, lengthAt + lengthBytes, length);
  writer.at = lengthAt;
  writer.varint(length);
  writer.at += length;
}

/** Bytes of a length as a zig-zag varint. */
function sizeOfLength(length: number): number {
  if (length < 0x40) return 1;
  if (length < 0x2000) return 2;
  if (length < 0x100000) return 3;
  return length < 0x8000000 ? 4 : 5;
}

/** Writes into memory of its own, which grows with the largest batch and is used for all of them. */
class Writer {
  bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  at = 0;

  /** Makes room for so many bytes from here on. */
  reserve(length: number): void {
    if (this.at + length <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.at + length));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }

  /** Lets go of what one huge record took. */
  release(): void {
    if (this.bytes.length > SCRATCH_KEPT_BYTES_MAX) this.bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }

  /** Moves bytes that have been written. */
  move(from: number, to: number, length: number): void {
    this.at = from + length;
    this.reserve(LENGTH_BYTES_MAX);
    this.bytes.copyWithin(to, from, from + length);
  }

  /** Zig-zag varint of a safe integer. The caller has reserved the room. */
  varint(value: number): void {
    if (value >= -0x40000000 && value < 0x40000000) {
      let rest = (value << 1) ^ (value >> 31);
      while (rest >= 0x80) {
        this.bytes[this.at++] = (rest & 0x7f) | 0x80;
        rest >>>= 7;
      }
      this.bytes[this.at++] = rest;
      return;
    }
    let rest = value >= 0 ? value * 2 : -value * 2 - 1;
    while (rest >= 0x80) {
      this.bytes[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.at++] = rest;
  }

  /** Length and bytes; a length of -1 is null. Leaves room for what a record has besides its data. */
  data(data: string | Buffer | null): void {
    if (data === null) {
      this.varint(-1);
      return;
    }
    if (typeof data === 'string') {
      this.reserve(data.length * UTF8_BYTES_MAX + LENGTH_BYTES_MAX + RECORD_OVERHEAD_BYTES_MAX);
      if (data.length > SHORT_TEXT_LENGTH_MAX || !this.#shortAscii(data)) this.#text(data);
      return;
    }
    this.reserve(data.length + LENGTH_BYTES_MAX + RECORD_OVERHEAD_BYTES_MAX);
    this.varint(data.length);
    this.at += data.copy(this.bytes, this.at);
  }

  /** Writes a text of up to 63 characters, whose length takes one byte, unless it is not ASCII. */
  #shortAscii(text: string): boolean {
    const { bytes } = this;
    const { length } = text;
    const start = this.at + 1;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) return false;
      bytes[start + i] = code;
    }
    bytes[this.at] = length << 1;
    this.at = start + length;
    return true;
  }

  /** Writes a text behind the length that it has if it is ASCII, and puts that right if it is not. */
  #text(text: string): void {
    const lengthAt = this.at;
    const textAt = lengthAt + sizeOfLength(text.length);
    const length = this.bytes.write(text, textAt, 'utf8');
    const lengthBytes = sizeOfLength(length);
    if (lengthAt + lengthBytes !== textAt) this.bytes.copyWithin(lengthAt + lengthBytes, textAt, textAt + length);
    this.varint(length);
    this.at += length;
  }
}

const SCRATCH_BYTES = 64 * 1024;
const SCRATCH_KEPT_BYTES_MAX = 4 * 1024 * 1024;
const SCRATCH = new Writer();

function writeInt64(bytes: Buffer, value: number, at: number): void {
  bytes.writeInt32BE(Math.floor(value / 4294967296), at);
  bytes.writeUInt32BE(value >= 0 ? value % 4294967296 : Number(BigInt.asUintN(32, BigInt(value))), at + 4);
}
