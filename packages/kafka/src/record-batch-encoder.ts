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
/** Length, attributes, timestamp and offset deltas, and the lengths of key and value, at their longest. */
const RECORD_OVERHEAD_BYTES_MAX = 40;
const HEADER_OVERHEAD_BYTES_MAX = 10;

/** The bytes of one record batch, uncompressed. Records without a timestamp get `nowMs`. */
export function encodeRecordBatch(
  records: readonly OutRecord[],
  identity: ProducerIdentity,
  baseSequence: number,
  nowMs: number,
): Buffer {
  let bytesMax = RECORDS_AT;
  for (const record of records) bytesMax += sizeOfRecordMax(record);
  const writer = new Writer(Buffer.allocUnsafe(bytesMax));
  writer.at = RECORDS_AT;
  const firstMs = records[0]?.timestampMs ?? nowMs;
  let maxMs = firstMs;
  for (let i = 0; i < records.length; i++) {
    const record = records[i] as OutRecord;
    const timestampMs = record.timestampMs ?? nowMs;
    if (timestampMs > maxMs) maxMs = timestampMs;
    writeRecord(writer, record, i, timestampMs - firstMs);
  }

  const batch = writer.bytes.subarray(0, writer.at);
  writeInt64(batch, 0, 0); // base offset: the broker's to give
  batch.writeInt32BE(batch.length - OVERHEAD_BYTES, LENGTH_AT);
  batch.writeInt32BE(NO_LEADER_EPOCH, LEADER_EPOCH_AT);
  batch[MAGIC_AT] = MAGIC_V2;
  batch.writeInt16BE(identity.transactional ? TRANSACTIONAL : 0, ATTRIBUTES_AT);
  batch.writeInt32BE(records.length - 1, LAST_OFFSET_DELTA_AT);
  writeInt64(batch, firstMs, FIRST_TIMESTAMP_AT);
  writeInt64(batch, maxMs, MAX_TIMESTAMP_AT);
  writeInt64(batch, identity.producerId, PRODUCER_ID_AT);
  batch.writeInt16BE(identity.producerEpoch, PRODUCER_EPOCH_AT);
  batch.writeInt32BE(baseSequence, BASE_SEQUENCE_AT);
  batch.writeInt32BE(records.length, RECORD_COUNT_AT);
  batch.writeUInt32BE(crc32c(batch, ATTRIBUTES_AT, batch.length), CRC_AT);
  return batch;
}

/** What a record takes in a batch at most, in bytes. */
export function sizeOfRecordMax({ key, value, headers }: OutRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES_MAX + sizeOf(key) + sizeOf(value);
  for (const name in headers)
    bytes += HEADER_OVERHEAD_BYTES_MAX + Buffer.byteLength(name) + sizeOf(headers[name] ?? '');
  return bytes;
}

const sizeOf = (data: string | Buffer | null): number =>
  data === null ? 0 : typeof data === 'string' ? Buffer.byteLength(data) : data.length;

function writeRecord(writer: Writer, record: OutRecord, offsetDelta: number, timestampDeltaMs: number): void {
  // The length comes first and is known last: the body is written behind the longest length, then moved up to it.
  const lengthAt = writer.at;
  writer.at += LENGTH_BYTES_MAX;
  const bodyAt = writer.at;
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
  writer.at = lengthAt;
  writer.varint(length);
  writer.bytes.copyWithin(writer.at, bodyAt, bodyAt + length);
  writer.at += length;
}

/** A zig-zag varint of a length below 2^27 (a record is far smaller). */
const LENGTH_BYTES_MAX = 4;

class Writer {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Zig-zag varint of a safe integer. */
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

  /** Length and bytes; a length of -1 is null. */
  data(data: string | Buffer | null): void {
    if (data === null) {
      this.varint(-1);
    } else if (typeof data === 'string') {
      this.varint(Buffer.byteLength(data));
      this.at += this.bytes.write(data, this.at, 'utf8');
    } else {
      this.varint(data.length);
      this.at += data.copy(this.bytes, this.at);
    }
  }
}

function writeInt64(bytes: Buffer, value: number, at: number): void {
  bytes.writeInt32BE(Math.floor(value / 4294967296), at);
  bytes.writeUInt32BE(value >= 0 ? value % 4294967296 : Number(BigInt.asUintN(32, BigInt(value))), at + 4);
}
