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
  readonly cleanupPolicy: 'delete' | 'compact';
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
 * its failure, which is the wall clock's.
 */
export type Keep = 'stream' | 'table' | 'letters';

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
/** Retention removes whole segments, so they are small against `RETENTION_BYTES_PER_PARTITION`. */
const SEGMENT_BYTES = 128 * 1024 ** 2;
/** A dead letter carries another record in base64, so it may be larger than the 1 MiB of a record. */
const DEAD_LETTER_BYTES_MAX = 4 * 1024 ** 2;

/** The contract of one topic. */
export function createTopic<K extends SchemaName>(
  row: TopicRow<K>,
  { prefix = '', partitions = PARTITIONS_DEFAULT }: TopicOptions,
): TopicContract<ValueOf<K>> {
  const retentionMs = row.keep === 'letters' ? DEAD_LETTER_RETENTION_MS : -1;
  const retentionBytes = row.keep === 'table' ? -1 : RETENTION_BYTES_PER_PARTITION;
  const cleanupPolicy = row.keep === 'table' ? 'compact' : 'delete';
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
      'segment.bytes': String(SEGMENT_BYTES),
      'message.timestamp.type': 'CreateTime',
      // Years-old event times are what a replay is made of (the broker's default, written out).
      'message.timestamp.before.max.ms': '9223372036854775807',
      // KIP-937: one hour. An event is at most FUTURE_MAX_MS ahead of ingest's clock; the rest is for the broker's.
      'message.timestamp.after.max.ms': '3600000',
      ...(row.keep === 'letters' ? { 'max.message.bytes': String(DEAD_LETTER_BYTES_MAX) } : {}),
    },
  };
}
