import { BatchWriter } from './batch-writer.ts';
import { Coordinators } from './coordinators.ts';
import { toKafkaError } from './errors.ts';
import type { Cluster } from './kafkajs-internals.ts';
import { sendProduce, sendProduceIntoTransaction } from './produce-request.ts';
import {
  fetchTransactionVersion,
  sendCommit,
  sendTxnOffsetCommit,
  type TransactionIdentity,
} from './transaction-requests.ts';
import type { OffsetCommit, TransactionalOptions, TransactionalProducer } from './types.ts';

/** `transaction.version` from which on no partition has to be added beforehand (KIP-890). */
const JOINS_BY_WRITING_VERSION = 2;
/** How long a transaction is tried, below the time after which the broker aborts it by itself. */
const ATTEMPT_TIMEOUT_MS = 30_000;

/**
 * Delivery: what is committed here is seen by read-committed readers all at once or never, together with the offsets
 * of what it was made from. A broker that is away for a moment is waited for. After any error the state on the broker
 * is unknown to us: the owner closes this producer, and the next one with the same transactional id aborts or completes
 * what was left (KIP-98).
 */
export async function createTransactionalProducer(
  cluster: Cluster,
  { transactionalId, transactionTimeoutMs, transactionVersionMax = JOINS_BY_WRITING_VERSION }: TransactionalOptions,
): Promise<TransactionalProducer> {
  const coordinators = new Coordinators(cluster);
  const attempt = async <T>(doing: string, work: (deadlineMs: number) => Promise<T>): Promise<T> => {
    try {
      return await work(Date.now() + Math.min(ATTEMPT_TIMEOUT_MS, transactionTimeoutMs / 2));
    } catch (error) {
      throw toKafkaError(error, `${doing} (${transactionalId})`);
    }
  };

  let identity: TransactionIdentity;
  let joinsByWriting: boolean;
  try {
    identity = await attempt('fence earlier producers', async (deadlineMs) => {
      await cluster.connect();
      await cluster.refreshMetadata();
      // Answers only when the last transaction of a predecessor is over, one way or the other.
      const { producerId, producerEpoch } = await coordinators.send(
        'transaction',
        transactionalId,
        deadlineMs,
        (broker) => broker.initProducerId({ transactionalId, transactionTimeout: transactionTimeoutMs }),
      );
      return { transactionalId, producerId: Number(producerId), producerEpoch };
    });
    joinsByWriting = await attempt('ask for the version of transactions', async (deadlineMs) => {
      const version = await coordinators.send('transaction', transactionalId, deadlineMs, fetchTransactionVersion);
      return Math.min(version, transactionVersionMax) >= JOINS_BY_WRITING_VERSION;
    });
  } catch (error) {
    await cluster.disconnect();
    throw error;
  }
  const send = joinsByWriting ? sendProduceIntoTransaction : sendProduce;
  const writer = new BatchWriter(cluster, { ...identity, transactional: true }, transactionalId, send);

  /** Two round trips: whoever gets a record or an offset makes it part of the transaction. */
  const commitByWriting = async (
    { batches, groupId = '', offsets = [] }: Transaction,
    deadlineMs: number,
  ): Promise<void> => {
    const assigned = await writer.assign(batches, deadlineMs);
    if (assigned.length === 0 && offsets.length === 0) return;
    // 1. The records, and beside them the offsets of the input that they were made from.
    const sendOffsets = async () => {
      if (offsets.length === 0) return;
      await coordinators.send('group', groupId, deadlineMs, (broker) =>
        sendTxnOffsetCommit(broker, identity, groupId, offsets),
      );
    };
    for (const result of await Promise.allSettled([writer.write(assigned, deadlineMs), sendOffsets()])) {
      if (result.status === 'rejected') throw result.reason;
    }
    // 2. Both become visible together. What is written next belongs to another transaction, by its epoch.
    identity = await coordinators.send('transaction', transactionalId, deadlineMs, (broker) =>
      sendCommit(broker, identity),
    );
    writer.renew({ ...identity, transactional: true });
  };

  /** Four round trips, for brokers before Kafka 4.0. */
  const commitByAdding = async (
    { batches, groupId = '', offsets = [] }: Transaction,
    deadlineMs: number,
  ): Promise<void> => {
    const assigned = await writer.assign(batches, deadlineMs);
    // What the coordinator has not been told of has not begun, and cannot be ended.
    if (assigned.length === 0 && offsets.length === 0) return;
    // 1. Tell the coordinator which partitions take part; it begins the transaction.
    if (assigned.length > 0) {
      const topics = groupByTopic(assigned, ({ partition }) => partition);
      await coordinators.send('transaction', transactionalId, deadlineMs, (broker) =>
        broker.addPartitionsToTxn({ ...identity, topics }),
      );
    }
    // 2. The records, and beside them the offsets of the input that they were made from.
    const sendOffsets = async () => {
      if (offsets.length === 0) return;
      await coordinators.send('transaction', transactionalId, deadlineMs, (broker) =>
        broker.addOffsetsToTxn({ ...identity, groupId }),
      );
      const topics = groupByTopic(offsets, toOffset);
      await coordinators.send('group', groupId, deadlineMs, (broker) =>
        broker.txnOffsetCommit({ ...identity, groupId, topics }),
      );
    };
    for (const result of await Promise.allSettled([writer.write(assigned, deadlineMs), sendOffsets()])) {
      if (result.status === 'rejected') throw result.reason;
    }
    // 3. Both become visible together.
    await coordinators.send('transaction', transactionalId, deadlineMs, (broker) =>
      broker.endTxn({ ...identity, transactionResult: true }),
    );
  };

  const commit = joinsByWriting ? commitByWriting : commitByAdding;
  let underWay: Promise<void> | undefined;
  return {
    commitTransaction: (transaction) => {
      underWay = attempt('commit a transaction', (deadlineMs) => commit(transaction, deadlineMs));
      return underWay;
    },
    close: async () => {
      // What still tries would connect again, and nobody would close that.
      await Promise.allSettled([underWay]);
      await cluster.disconnect();
    },
  };
}

type Transaction = Parameters<TransactionalProducer['commitTransaction']>[0];

const toOffset = ({ partition, offset, metadata }: OffsetCommit) => ({
  partition,
  offset: String(offset),
  metadata: metadata ?? null,
});

function groupByTopic<P extends { readonly topic: string }, T>(
  entries: readonly P[],
  toPartition: (entry: P) => T,
): { topic: string; partitions: T[] }[] {
  return [...Map.groupBy(entries, ({ topic }) => topic)].map(([topic, group]) => ({
    topic,
    partitions: group.map(toPartition),
  }));
}
