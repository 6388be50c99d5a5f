import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaError, toKafkaError } from './errors.ts';
import { type Cluster, createProtocolError } from './kafkajs-internals.ts';
import { partitionOfRecord } from './partitioner.ts';
import { type PartitionBatch, type SendProduce, sendProduce } from './produce-request.ts';
import { tryToReconnect } from './reconnect.ts';
import {
  type EncodedBatch,
  encodeRecordBatches,
  type ProducerIdentity,
  SEQUENCE_MODULUS,
} from './record-batch-encoder.ts';
import type { OutRecord, TopicBatch, TopicPartition } from './types.ts';

/** A record batch; the broker's limit (`message.max.bytes`) is 1 MiB by default. A larger single record goes alone. */
const BATCH_BYTES_MAX = 900 * 1024;
const RETRY_WAIT_MS_MIN = 10;
const RETRY_WAIT_MS_MAX = 500;
const MARKERS_WAIT_MS = 2;
const DUPLICATE_SEQUENCE_NUMBER = 46;
/**
 * Answers after which the same bytes may be sent again: unknown topic (the metadata has not arrived), no leader or
 * another one, timed out, too few replicas, the markers of the last transaction still being written, storage error.
 */
const RETRIABLE_CODES: ReadonlySet<number> = new Set([3, 5, 6, 7, 13, 19, 20, 51, 56, 74, 75, 76]);

/**
 * Writes record batches under one producer identity.
 *
 * Delivery: each batch once and in order, however often it has to be sent. It is encoded once, with its sequence
 * numbers, and the very same bytes are sent again until the broker has answered; a broker that has them already says
 * so. Only one `write` may be under way at a time. When `write` throws, sequence numbers have been used for batches of
 * which nobody knows the fate, and this writer must not be used again.
 */
export class BatchWriter {
  readonly #cluster: Cluster;
  #identity: ProducerIdentity;
  readonly #transactionalId: string | null;
  readonly #sendProduce: SendProduce;
  readonly #sequences = new Map<string, number>();

  constructor(
    cluster: Cluster,
    identity: ProducerIdentity,
    transactionalId: string | null,
    send: SendProduce = sendProduce,
  ) {
    this.#cluster = cluster;
    this.#identity = identity;
    this.#transactionalId = transactionalId;
    this.#sendProduce = send;
  }

  /** Goes on under another identity, whose sequence numbers begin at 0. */
  renew(identity: ProducerIdentity): void {
    this.#identity = identity;
    this.#sequences.clear();
  }

  /** Shares records out among partitions. What `write` takes. */
  async assign(batches: readonly TopicBatch[], deadlineMs: number): Promise<Assigned[]> {
    await this.#untilKnown([...new Set(batches.map(({ topic }) => topic))], deadlineMs);
    const byTopic = new Map<string, Map<number, Assigned>>();
    for (const { topic, records } of batches) {
      const partitions = this.#cluster.findTopicPartitionMetadata(topic).length;
      const byPartition = byTopic.get(topic) ?? new Map<number, Assigned>();
      byTopic.set(topic, byPartition);
      for (const record of records) {
        const partition = record.partition ?? partitionOfRecord(record.key, record.value, partitions);
        const assigned = byPartition.get(partition);
        if (assigned === undefined) byPartition.set(partition, { topic, partition, records: [record] });
        else assigned.records.push(record);
      }
    }
    return [...byTopic.values()].flatMap((byPartition) => [...byPartition.values()]);
  }

  async write(assigned: readonly Assigned[], deadlineMs: number): Promise<void> {
    const nowMs = Date.now();
    // Usually one round. A partition with more than a batch's worth takes part in several, one batch in each.
    const encoded = assigned.map((part) => ({ part, batches: this.#encode(part, nowMs) }));
    const rounds = Math.max(0, ...encoded.map(({ batches }) => batches.length));
    for (let round = 0; round < rounds; round++) {
      await this.#produce(
        encoded.flatMap(({ part: { topic, partition }, batches }) => {
          const batch = batches[round];
          return batch === undefined ? [] : [{ topic, partition, bytes: batch.bytes }];
        }),
        deadlineMs,
      );
    }
  }

  #encode({ topic, partition, records }: Assigned, nowMs: number): EncodedBatch[] {
    const key = `${topic}/${partition}`;
    const sequence = this.#sequences.get(key) ?? 0;
    this.#sequences.set(key, (sequence + records.length) % SEQUENCE_MODULUS);
    return encodeRecordBatches(records, this.#identity, sequence, nowMs, BATCH_BYTES_MAX);
  }

  async #produce(batches: readonly PartitionBatch[], deadlineMs: number): Promise<void> {
    let pending = batches;
    for (let waitMs = RETRY_WAIT_MS_MIN; ; waitMs = Math.min(waitMs * 2, RETRY_WAIT_MS_MAX)) {
      const { unwritten, cause } = await this.#produceOnce(pending);
      if (unwritten.length === 0) return;
      if (Date.now() + waitMs > deadlineMs) throw toKafkaError(cause, `produce to ${unwritten[0]?.topic}`);
      pending = unwritten;
      // The broker has waited for the markers itself before it said so, and nothing is wrong with the connection.
      const markersAreMissing = (cause as { type?: string }).type === 'CONCURRENT_TRANSACTIONS';
      await sleep(markersAreMissing ? MARKERS_WAIT_MS : waitMs);
      if (!markersAreMissing) await tryToReconnect(this.#cluster, cause);
    }
  }

  /** One request to each leader. Throws what no repeat can mend. */
  async #produceOnce(batches: readonly PartitionBatch[]): Promise<{ unwritten: PartitionBatch[]; cause: unknown }> {
    const unwritten: PartitionBatch[] = [];
    let cause: unknown;
    const byLeader = Map.groupBy(batches, ({ topic, partition }) => this.#leaderOf(topic, partition));
    const requests = [...byLeader].map(async ([nodeId, parts]) => {
      if (nodeId === undefined) {
        cause = new KafkaError('unavailable', `no leader is known for ${parts[0]?.topic}`, { retriable: true });
        unwritten.push(...parts);
        return;
      }
      let results: Awaited<ReturnType<SendProduce>>;
      try {
        results = await this.#sendProduce(await this.#cluster.findBroker({ nodeId }), this.#transactionalId, parts);
      } catch (error) {
        const failure = toKafkaError(error, 'produce');
        if (failure.code !== 'unavailable' && !failure.retriable) throw failure;
        cause = error;
        unwritten.push(...parts);
        return;
      }
      const codes = new Map(results.map(({ topic, partition, errorCode }) => [`${topic}/${partition}`, errorCode]));
      for (const part of parts) {
        const code = codes.get(`${part.topic}/${part.partition}`) ?? -1;
        if (code === 0 || code === DUPLICATE_SEQUENCE_NUMBER) continue;
        const error = createProtocolError(code);
        if (!RETRIABLE_CODES.has(code)) throw toKafkaError(error, `produce to ${part.topic}-${part.partition}`);
        cause = error;
        unwritten.push(part);
      }
    });
    // All of them, so that none is still under way when this writer is given up.
    for (const { status, reason } of (await Promise.allSettled(requests)) as { status: string; reason?: unknown }[]) {
      if (status === 'rejected') throw reason;
    }
    return { unwritten, cause };
  }

  #leaderOf(topic: string, partition: number): string | undefined {
    return Object.keys(this.#cluster.findLeaderForPartitions(topic, [partition]))[0];
  }

  async #untilKnown(topics: readonly string[], deadlineMs: number): Promise<void> {
    for (let waitMs = RETRY_WAIT_MS_MIN; ; waitMs = Math.min(waitMs * 2, RETRY_WAIT_MS_MAX)) {
      try {
        await this.#cluster.addMultipleTargetTopics(topics);
        await this.#cluster.refreshMetadataIfNecessary();
        if (topics.every((topic) => this.#cluster.findTopicPartitionMetadata(topic).length > 0)) return;
        throw new KafkaError('unknown-topic', `no partitions are known of one of ${topics.join(', ')}`, {
          retriable: true,
        });
      } catch (error) {
        const failure = toKafkaError(error, 'metadata');
        if (!failure.retriable || Date.now() + waitMs > deadlineMs) throw failure;
        await sleep(waitMs);
        await tryToReconnect(this.#cluster, error);
      }
    }
  }
}

/** Records of one partition, in the order in which they are to be written. */
export interface Assigned extends TopicPartition {
  readonly records: OutRecord[];
}
