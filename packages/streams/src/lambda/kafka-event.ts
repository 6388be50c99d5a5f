import type { InRecord } from '@millrace/kafka';
import { StreamsError } from '../errors.ts';

/**
 * An event of Lambda's event source mapping for Apache Kafka, self-managed (`SelfManagedKafka`) or Amazon MSK
 * (`aws:kafka`). https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html#smaa-sample-event
 */
export interface KafkaEvent {
  readonly eventSource: string;
  /** By `<topic>-<partition>`. */
  readonly records: Readonly<Record<string, readonly KafkaEventRecord[]>>;
}

export interface KafkaEventRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Epoch milliseconds. */
  readonly timestamp: number;
  readonly timestampType: string;
  /** Base64. Not there where the record has none. */
  readonly key?: string | null;
  readonly value?: string | null;
  /** One object per header, of which the value is an array of bytes. */
  readonly headers?: readonly Readonly<Record<string, readonly number[]>>[];
}

/**
 * What Lambda wants to hear when `FunctionResponseTypes` has `ReportBatchItemFailures`: for each partition with
 * failures the offset from which it is to deliver again. An empty list is a full success. A partition or an offset that
 * was not in the event makes it repeat the whole batch.
 * https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html
 */
export interface KafkaBatchAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: KafkaItemIdentifier }[];
}

export interface KafkaItemIdentifier {
  /** `<topic>-<partition>`, as the event has it. */
  readonly partition: string;
  readonly offset: number;
}

/** The records of one partition, in their order. */
export interface EventPartition {
  /** As the event names it. */
  readonly name: string;
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly InRecord[];
}

const EVENT_SOURCES: ReadonlySet<string> = new Set(['SelfManagedKafka', 'aws:SelfManagedKafka', 'aws:kafka']);

/** Throws `invalid-event`, which says what is wrong: the function is called by something else than Kafka's event source. */
export function parseKafkaEvent(event: unknown): EventPartition[] {
  const { eventSource, records } = (event ?? {}) as Partial<KafkaEvent>;
  if (eventSource === undefined || !EVENT_SOURCES.has(eventSource))
    throw invalid(`eventSource is ${JSON.stringify(eventSource)}, not one of ${[...EVENT_SOURCES].join(', ')}`);
  if (records === null || typeof records !== 'object') throw invalid('it has no records');
  return Object.entries(records).flatMap(([name, list]) => {
    if (!Array.isArray(list)) throw invalid(`records of ${name} are no list`);
    const [first] = list as KafkaEventRecord[];
    if (first === undefined) return [];
    const found = (list as KafkaEventRecord[]).map((record) => toInRecord(name, record, first));
    return [{ name, topic: first.topic, partition: first.partition, records: found.sort(byOffset) }];
  });
}

const byOffset = (a: InRecord, b: InRecord): number => a.offset - b.offset;

function toInRecord(name: string, record: KafkaEventRecord, first: KafkaEventRecord): InRecord {
  const { topic, partition, offset, timestamp, key, value, headers } = record;
  if (typeof topic !== 'string' || !Number.isSafeInteger(partition) || !Number.isSafeInteger(offset))
    throw invalid(`a record of ${name} has no topic, partition and offset`);
  if (topic !== first.topic || partition !== first.partition) throw invalid(`${name} has records of two partitions`);
  if (!Number.isFinite(timestamp)) throw invalid(`${name}@${offset} has no timestamp`);
  return {
    topic,
    partition,
    offset,
    timestampMs: timestamp,
    key: bytesOf(name, offset, key),
    value: bytesOf(name, offset, value),
    headers: headersOf(headers ?? []),
  };
}

function bytesOf(name: string, offset: number, base64: unknown): Buffer | null {
  if (base64 === undefined || base64 === null) return null;
  if (typeof base64 !== 'string') throw invalid(`${name}@${offset} has a key or a value that is no text`);
  return Buffer.from(base64, 'base64');
}

/** Bytes come as Java has them, from -128 to 127, or from 0 to 255: both are the same bytes. */
function headersOf(headers: readonly Readonly<Record<string, readonly number[]>>[]): Record<string, Buffer> {
  return Object.fromEntries(
    headers.flatMap((header) => Object.entries(header).map(([name, bytes]) => [name, Buffer.from([...bytes])])),
  );
}

const invalid = (what: string): StreamsError =>
  new StreamsError(
    'invalid-event',
    `this is no event of a Kafka event source: ${what}. Map topics to this function with a SelfManagedKafka or MSK event source`,
  );
