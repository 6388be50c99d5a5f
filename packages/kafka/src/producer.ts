import { setTimeout } from 'node:timers/promises';
import type { Kafka as KafkaJs, Producer as KafkaJsProducer, Message } from 'kafkajs';
import { KafkaError, toKafkaError } from './errors.ts';
import { partitionOfRecord } from './partitioner.ts';
import type { KafkaLogger, OutRecord, Producer, TopicBatch } from './types.ts';

/** acks=-1: all in-sync replicas have it. */
export const ACKS_ALL = -1;
const SEND_TIMEOUT_MS = 30_000;
const TOPIC_BYTES_PER_REQUEST_MAX = 900 * 1024;
const RECORD_OVERHEAD_BYTES = 24;
const CLOSE_WAIT_MS_MAX = 3_000;
/**
 * An idempotent producer must not give up on a batch whose fate it does not know: the next one would take its sequence
 * number. So it tries until the broker answers; who calls it bounds what may wait.
 */
const RETRY = { initialRetryTime: 20, multiplier: 1.5, maxRetryTime: 500, retries: Number.MAX_SAFE_INTEGER };

export const createPartitioner =
  () =>
  ({ partitionMetadata, message }: { partitionMetadata: readonly unknown[]; message: Message }): number =>
    message.partition ?? partitionOfRecord(message.key, message.value, partitionMetadata.length);

/**
 * One batch is under way at a time. kafkajs gives sequence numbers back when a request fails, and a send that waited
 * behind it would take them: the broker would then answer "already have it" for records that it does not have. (Batches
 * are as large as what gathers while one is under way, so nothing is gained by more of them.)
 */
export async function createProducer(client: KafkaJs, logger: KafkaLogger): Promise<Producer> {
  let producer = await connect(client);
  let tail: Promise<void> = Promise.resolve();
  let closed = false;

  const sendNow = async (batches: readonly TopicBatch[]): Promise<void> => {
    try {
      for (const topicMessages of splitIntoRequests(batches)) {
        await producer.sendBatch({ acks: ACKS_ALL, timeout: SEND_TIMEOUT_MS, topicMessages });
      }
    } catch (error) {
      const failure = toKafkaError(error, 'produce');
      logger.warn({ err: failure }, 'a batch could not be produced; the producer starts anew with a fresh producer id');
      await producer.disconnect();
      producer = await connect(client);
      throw failure;
    }
  };
  return {
    send: (batches) => {
      if (closed) return Promise.reject(new KafkaError('closed', 'the producer is closed'));
      const sent = tail.then(() => sendNow(batches));
      tail = Promise.allSettled([sent]).then(() => undefined); // the caller has the error; the next batch goes on
      return sent;
    },
    close: async () => {
      closed = true;
      // Without a broker the batch under way would be tried for ever; what it holds has not been acknowledged to anybody.
      await Promise.race([tail, setTimeout(CLOSE_WAIT_MS_MAX, undefined, { ref: false })]);
      await producer.disconnect();
    },
  };
}

async function connect(client: KafkaJs): Promise<KafkaJsProducer> {
  const producer = client.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner,
    retry: RETRY,
  });
  try {
    await producer.connect();
  } catch (error) {
    throw toKafkaError(error, 'connect the producer');
  }
  return producer;
}

/**
 * Splits what is to be written into requests. A request carries one record batch per partition, and the broker's limit
 * (`message.max.bytes`, 1 MiB by default) is on the batch. Order within a topic stays.
 */
export function splitIntoRequests(batches: readonly TopicBatch[]): { topic: string; messages: Message[] }[][] {
  const requests: { topic: string; records: OutRecord[] }[][] = [];
  for (const { topic, records } of batches) {
    let request = 0;
    let bytes = 0;
    for (const record of records) {
      const size = sizeOf(record);
      if (bytes > 0 && bytes + size > TOPIC_BYTES_PER_REQUEST_MAX) {
        request += 1;
        bytes = 0;
      }
      bytes += size;
      requests[request] ??= [];
      const last = requests[request]?.at(-1);
      if (last?.topic === topic) last.records.push(record);
      else requests[request]?.push({ topic, records: [record] });
    }
  }
  return requests.map(toTopicMessages);
}

/** Upper bound of what a record takes in a batch. UTF-8 of a string has at most three bytes per UTF-16 unit; ids and JSON are nearly all ASCII. */
function sizeOf({ key, value, headers }: OutRecord): number {
  let bytes =
    RECORD_OVERHEAD_BYTES +
    (key?.length ?? 0) +
    (typeof value === 'string' ? Buffer.byteLength(value) : (value?.length ?? 0));
  for (const name in headers) bytes += name.length + (headers[name]?.length ?? 0) + 4;
  return bytes;
}

function toTopicMessages(batches: readonly TopicBatch[]): { topic: string; messages: Message[] }[] {
  return batches
    .filter(({ records }) => records.length > 0)
    .map(({ topic, records }) => ({ topic, messages: records.map(toMessage) }));
}

function toMessage({ key, value, headers, timestampMs, partition }: OutRecord): Message {
  const message: Message = { key, value };
  if (headers !== undefined) message.headers = headers as Record<string, string | Buffer>;
  if (timestampMs !== undefined) message.timestamp = String(timestampMs);
  if (partition !== undefined) message.partition = partition;
  return message;
}
