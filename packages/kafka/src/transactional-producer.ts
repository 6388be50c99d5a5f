import type { Kafka as KafkaJs, Transaction } from 'kafkajs';
import { toKafkaError } from './errors.ts';
import { ACKS_ALL, createPartitioner, splitIntoRequests } from './producer.ts';
import type { TransactionalProducer } from './types.ts';

const SEND_TIMEOUT_MS = 30_000;
/**
 * After a commit the broker answers the next transaction with CONCURRENT_TRANSACTIONS until its markers are written,
 * a few milliseconds later. kafkajs's default first wait of 300 ms would be the time a transaction takes.
 * The sum of the waits is about 20 s: long enough for a broker that restarts; after that the task is rebuilt.
 */
const RETRY = { initialRetryTime: 3, multiplier: 1.4, maxRetryTime: 500, retries: 55 };

/**
 * Delivery: what is committed here is seen by read-committed readers all at once or never, together with the offsets
 * of what it was made from. After any error the state on the broker is unknown to us: the owner closes this producer,
 * and the next one with the same transactional id aborts or completes what was left (KIP-98).
 */
export async function createTransactionalProducer(
  client: KafkaJs,
  options: { readonly transactionalId: string; readonly transactionTimeoutMs: number },
): Promise<TransactionalProducer> {
  const producer = client.producer({
    transactionalId: options.transactionalId,
    transactionTimeout: options.transactionTimeoutMs,
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner,
    retry: RETRY,
  });
  const attempt = async <T>(doing: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw toKafkaError(error, `${doing} (${options.transactionalId})`);
    }
  };
  let transaction: Transaction;
  try {
    await attempt('connect the transactional producer', () => producer.connect());
    // The first transaction() asks for the producer id, which is what fences predecessors: do it now, not at the first commit.
    transaction = await attempt('fence earlier producers', () => producer.transaction());
  } catch (error) {
    await producer.disconnect();
    throw error;
  }

  return {
    commitTransaction: ({ batches, groupId, offsets }) =>
      attempt('commit a transaction', async () => {
        if (!transaction.isActive()) transaction = await producer.transaction();
        // 1. The records: outputs, changelog, dead letters.
        for (const topicMessages of splitIntoRequests(batches)) {
          await transaction.sendBatch({ acks: ACKS_ALL, timeout: SEND_TIMEOUT_MS, topicMessages });
        }
        // 2. The offsets of the input that they were made from.
        await transaction.sendOffsets({ consumerGroupId: groupId, topics: groupByTopic(offsets) });
        // 3. Both become visible together.
        await transaction.commit();
      }),
    close: () => producer.disconnect(),
  };
}

function groupByTopic(offsets: readonly { topic: string; partition: number; offset: number; metadata?: string }[]) {
  const byTopic = new Map<string, { partition: number; offset: string; metadata?: string }[]>();
  for (const { topic, partition, offset, metadata } of offsets) {
    const partitions = byTopic.get(topic) ?? [];
    partitions.push({ partition, offset: String(offset), ...(metadata === undefined ? {} : { metadata }) });
    byTopic.set(topic, partitions);
  }
  return [...byTopic].map(([topic, partitions]) => ({ topic, partitions }));
}
