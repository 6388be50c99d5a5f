import type { Static } from 'typebox';
import { type Codec, createCodec } from './codec.ts';
import { type SchemaName, schemas } from './schemas.ts';

/** Everything one needs to read or write a topic. */
export interface TopicContract<T> extends Codec<T> {
  /** With the prefix: `payments.raw`. */
  readonly name: string;
  /** The record header `schema`: `payment.v1`. */
  readonly schema: string;
  readonly partitions: number;
  /** -1: for ever. */
  readonly retentionMs: number;
  /** Per partition; -1: no limit. */
  readonly retentionBytes: number;
  readonly cleanupPolicy: 'delete' | 'compact' | 'compact,delete';
  /** Kafka's settings for the topic, written out. */
  readonly config: Readonly<Record<string, string>>;
  /** The record's key: what decides its partition, and what compaction keeps the newest of. */
  key(value: T): string;
  /** The record's timestamp. */
  timestampMs(value: T): number;
  /** The record header `event_id`. */
  eventId(value: T): string;
}

export interface TopicOptions {
  /** Put before every name, so that several systems (or tests) share one cluster. */
  readonly prefix?: string;
  /** Of every topic that meets another in a join. */
  readonly partitions?: number;
}

/**
 * How long a topic keeps its records.
 *
 * `stream`: by bytes only. The Kafka timestamp of a record is its event time, and Kafka compares that with the wall
 * clock: with `retention.ms` a replay of events from 2018 would be deleted as soon as a segment is rolled.
 * `table`: the newest record per key, for ever. `letters`: by time, because a dead letter is stamped with the time of
 * its failure, which is the wall clock's. `marks`: the newest record per key, as long as a dead letter; they are read
 * whole whenever work goes on that somebody else began, so they are kept in small segments and compacted often.
 */
export type Keep = 'stream' | 'table' | 'letters' | 'marks';

/** `shared`: as many partitions as all topics that are joined. `one`: small, and read whole by every instance. */
export type Spread = 'shared' | 'one';

export type ValueOf<K extends SchemaName> = Static<(typeof schemas)[K]>;

/** One row of the table of topics. */
export interface TopicRow<K extends SchemaName> {
  readonly name: string;
  readonly schema: K;
  readonly keep: Keep;
  readonly spread: Spread;
  readonly of: Pick<TopicContract<ValueOf<K>>, 'key' | 'timestampMs' | 'eventId'>;
}

export const PARTITIONS_DEFAULT = 4;
/** 4 GiB for a topic of four partitions. */
export const RETENTION_BYTES_PER_PARTITION = 1024 ** 3;
export const DEAD_LETTER_RETENTION_MS = 30 * 86_400_000;
export const MARK_RETENTION_MS = DEAD_LETTER_RETENTION_MS;
/** Retention removes whole segments, so they are small against `RETENTION_BYTES_PER_PARTITION`. */
const SEGMENT_BYTES = 128 * 1024 ** 2;
/** Compaction leaves the newest segment alone, so its size bounds what is read of marks that are out of date. */
const MARK_SEGMENT_BYTES = 8 * 1024 ** 2;
/** A dead letter carries another record in base64, so it may be larger than the 1 MiB of a record. */
const DEAD_LETTER_BYTES_MAX = 4 * 1024 ** 2;

/** The contract of one topic. */
export function createTopic<K extends SchemaName>(
  row: TopicRow<K>,
  { prefix = '', partitions = PARTITIONS_DEFAULT }: TopicOptions,
): TopicContract<ValueOf<K>> {
  const { retentionMs, retentionBytes, cleanupPolicy } = KEPT[row.keep];
  return {
    ...createCodec(row.schema, schemas[row.schema]),
    ...row.of,
    name: `${prefix}${row.name}`,
    schema: row.schema,
    partitions: row.spread === 'one' ? 1 : partitions,
    retentionMs,
    retentionBytes,
    cleanupPolicy,
    config: {
      'cleanup.policy': cleanupPolicy,
      'retention.ms': String(retentionMs),
      'retention.bytes': String(retentionBytes),
      'segment.bytes': String(row.keep === 'marks' ? MARK_SEGMENT_BYTES : SEGMENT_BYTES),
      'message.timestamp.type': 'CreateTime',
      // Years-old event times are what a replay is made of (the broker's default, written out).
      'message.timestamp.before.max.ms': '9223372036854775807',
      // KIP-937: one hour. An event is at most FUTURE_MAX_MS ahead of ingest's clock; the rest is for the broker's.
      'message.timestamp.after.max.ms': '3600000',
      ...(row.keep === 'letters' ? { 'max.message.bytes': String(DEAD_LETTER_BYTES_MAX) } : {}),
      ...(row.keep === 'marks' ? { 'min.cleanable.dirty.ratio': '0.1' } : {}),
    },
  };
}

const KEPT: Readonly<Record<Keep, Pick<TopicContract<unknown>, 'retentionMs' | 'retentionBytes' | 'cleanupPolicy'>>> = {
  stream: { retentionMs: -1, retentionBytes: RETENTION_BYTES_PER_PARTITION, cleanupPolicy: 'delete' },
  table: { retentionMs: -1, retentionBytes: -1, cleanupPolicy: 'compact' },
  letters: {
    retentionMs: DEAD_LETTER_RETENTION_MS,
    retentionBytes: RETENTION_BYTES_PER_PARTITION,
    cleanupPolicy: 'delete',
  },
  marks: { retentionMs: MARK_RETENTION_MS, retentionBytes: -1, cleanupPolicy: 'compact,delete' },
};
