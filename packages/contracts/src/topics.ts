import type { Static, TSchema } from 'typebox';
import { type Codec, createCodec } from './codec.ts';
import { Alert, Decision } from './decision.ts';
import { Label } from './label.ts';
import { DeadLetter, FraudCase } from './operations.ts';
import { EnrichedPayment, Payment, PaymentFeatures } from './payment.ts';
import { CustomerSource, Device, Merchant, Profile } from './reference.ts';
import { Rule } from './rule.ts';
import { EnrichedTelemetry, Telemetry, telemetryId } from './telemetry.ts';

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

/** What `ensureTopics` asks of Kafka for one topic. */
export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor?: number;
  readonly config: Record<string, string>;
}

export interface TopicOptions {
  /** Put before every name, so that several systems (or tests) share one cluster. */
  readonly prefix?: string;
  /** Of every topic that meets another in a join. */
  readonly partitions?: number;
}

export type Topics = ReturnType<typeof createTopics>;

export const PARTITIONS_DEFAULT = 4;
/** Two topics with this many bytes per partition and four partitions are 8 GiB on disk at most. */
export const RETENTION_BYTES_PER_PARTITION = 1024 ** 3;
export const DEAD_LETTER_RETENTION_MS = 30 * 86_400_000;
/** Retention removes whole segments, so segments are small against `RETENTION_BYTES_PER_PARTITION`. */
const SEGMENT_BYTES = 128 * 1024 ** 2;
/** A dead letter carries another record in base64, so it may be larger than Kafka's 1 MiB for a record. */
const DEAD_LETTER_BYTES_MAX = 4 * 1024 ** 2;

/**
 * How long a topic keeps its records.
 *
 * `stream`: by bytes only. The Kafka timestamp of a record is its event time, and Kafka compares that with the wall
 * clock: with `retention.ms` a replay of events from 2018 would be deleted as soon as a segment is rolled.
 * `table`: the newest record per key, for ever. `letters`: by time, because a dead letter is stamped with the time of
 * its failure, which is the wall clock's.
 */
type Keep = 'stream' | 'table' | 'letters';
/** `shared`: as many partitions as all topics that are joined; `one`: small, and read whole by every instance. */
type Spread = 'shared' | 'one';

/** The one table of topics. */
export function createTopics(options: TopicOptions = {}) {
  const topic = <S extends TSchema>(
    name: string,
    [schema, codec]: readonly [string, S],
    keep: Keep,
    spread: Spread,
    of: Pick<TopicContract<Static<S>>, 'key' | 'timestampMs' | 'eventId'>,
  ): TopicContract<Static<S>> => createTopic(options, { name, schema, codec, keep, spread, of });

  const paymentOf = { key: customer, timestampMs: eventTime, eventId: transaction };
  const sourceOf = { key: customer, timestampMs: updatedAt, eventId: sourceId };
  // biome-ignore format: a table is read by its columns.
  return {
    //                      name                    schema                               keep       spread    key, timestamp, event id
    paymentsRaw:       topic('payments.raw',        ['payment.v1', Payment],             'stream',  'shared', paymentOf),
    telemetryRaw:      topic('telemetry.raw',       ['telemetry.v1', Telemetry],         'stream',  'shared', { key: device, timestampMs: eventTime, eventId: telemetryId }),
    fraudLabels:       topic('fraud.labels',        ['label.v1', Label],                 'stream',  'shared', { key: customer, timestampMs: (v) => v.labelled_at, eventId: labelId }),
    customersSource: {
      crm:             topic('customers.crm',       ['customer-source.v1', CustomerSource], 'table', 'shared', sourceOf),
      accounts:        topic('customers.accounts',  ['customer-source.v1', CustomerSource], 'table', 'shared', sourceOf),
      kyc:             topic('customers.kyc',       ['customer-source.v1', CustomerSource], 'table', 'shared', sourceOf),
    },
    merchants:         topic('reference.merchants', ['merchant.v1', Merchant],           'table',   'one',    { key: (v) => v.merchant_id, timestampMs: updatedAt, eventId: (v) => `${v.merchant_id}:${v.updated_at}` }),
    devices:           topic('reference.devices',   ['device.v1', Device],               'table',   'one',    { key: device, timestampMs: updatedAt, eventId: (v) => `${v.device_id}:${v.updated_at}` }),
    customersProfile:  topic('customers.profile',   ['profile.v1', Profile],             'table',   'shared', { key: customer, timestampMs: updatedAt, eventId: (v) => `${v.customer_id}:${v.updated_at}` }),
    paymentsEnriched:  topic('payments.enriched',   ['enriched-payment.v1', EnrichedPayment], 'stream', 'shared', paymentOf),
    telemetryEnriched: topic('telemetry.enriched',  ['enriched-telemetry.v1', EnrichedTelemetry], 'stream', 'shared', { key: (v) => v.owner_id, timestampMs: eventTime, eventId: telemetryId }),
    paymentsByMerchant: topic('payments.by-merchant', ['payment-features.v1', PaymentFeatures], 'stream', 'shared', { key: counterparty, timestampMs: eventTime, eventId: transaction }),
    fraudDecisions:    topic('fraud.decisions',     ['decision.v1', Decision],           'stream',  'shared', paymentOf),
    fraudAlerts:       topic('fraud.alerts',        ['alert.v1', Alert],                 'stream',  'shared', { key: alertKey, timestampMs: eventTime, eventId: (v) => v.alert_id }),
    telemetryAlerts:   topic('telemetry.alerts',    ['alert.v1', Alert],                 'stream',  'shared', { key: alertKey, timestampMs: eventTime, eventId: (v) => v.alert_id }),
    fraudRules:        topic('fraud.rules',         ['rule.v1', Rule],                   'table',   'one',    { key: (v) => v.id, timestampMs: (v) => v.updated_at ?? 0, eventId: (v) => `${v.id}:${v.version}` }),
    fraudCases:        topic('fraud.cases',         ['case.v1', FraudCase],              'table',   'one',    { key: (v) => v.case_id, timestampMs: updatedAt, eventId: (v) => `${v.case_id}:${v.updated_at}` }),
    deadLetters:       topic('dead-letters',        ['dead-letter.v1', DeadLetter],      'letters', 'one',    { key: (v) => v.id, timestampMs: (v) => v.failed_at, eventId: (v) => v.id }),
  } as const;
}

/** The topic of a source that is not one of `CUSTOMER_SOURCES`. */
export function customerSourceTopic(source: string, options: TopicOptions = {}): TopicContract<CustomerSource> {
  return createTopic(options, {
    name: `customers.${source}`,
    schema: 'customer-source.v1',
    codec: CustomerSource,
    keep: 'table',
    spread: 'shared',
    of: { key: customer, timestampMs: updatedAt, eventId: sourceId },
  });
}

/** All topics in the order of the table. What they hold differs, so they can be named and created, not encoded. */
export function allTopics(topics: Topics): TopicContract<unknown>[] {
  const { customersSource, ...others } = topics;
  return [...Object.values(others), ...Object.values(customersSource)] as TopicContract<unknown>[];
}

/**
 * Creates the topics that are missing. `admin.createTopics` is idempotent, and fails for a topic that exists with
 * another number of partitions: joins would silently miss their partners.
 */
export async function ensureTopics(
  admin: { createTopics(specs: TopicSpec[]): Promise<void> },
  topics: Topics | readonly TopicContract<never>[],
): Promise<void> {
  const contracts: readonly Pick<TopicContract<never>, 'name' | 'partitions' | 'config'>[] = Array.isArray(topics)
    ? topics
    : allTopics(topics as Topics);
  await admin.createTopics(
    contracts.map(({ name, partitions, config }) => ({ name, partitions, config: { ...config } })),
  );
}

function createTopic<S extends TSchema>(
  { prefix = '', partitions = PARTITIONS_DEFAULT }: TopicOptions,
  row: {
    name: string;
    schema: string;
    codec: S;
    keep: Keep;
    spread: Spread;
    of: Pick<TopicContract<Static<S>>, 'key' | 'timestampMs' | 'eventId'>;
  },
): TopicContract<Static<S>> {
  const retentionMs = row.keep === 'letters' ? DEAD_LETTER_RETENTION_MS : -1;
  const retentionBytes = row.keep === 'table' ? -1 : RETENTION_BYTES_PER_PARTITION;
  const cleanupPolicy = row.keep === 'table' ? 'compact' : 'delete';
  return {
    ...createCodec(row.schema, row.codec),
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

const customer = (value: { customer_id: string }) => value.customer_id;
const device = (value: { device_id: string }) => value.device_id;
const transaction = (value: { transaction_id: string }) => value.transaction_id;
const eventTime = (value: { event_time: number }) => value.event_time;
const updatedAt = (value: { updated_at: number }) => value.updated_at;
const sourceId = (value: CustomerSource) => `${value.source}:${value.customer_id}:${value.updated_at}`;
const labelId = (value: Label) => `${value.transaction_id}:${value.source}:${value.labelled_at}`;
/** The schema sees to it that one of the two is there. */
const counterparty = (value: Payment) => value.merchant_id ?? value.payee_id ?? '';
const alertKey = (value: Alert) => value.customer_id ?? value.merchant_id ?? value.device_id ?? value.alert_id;
