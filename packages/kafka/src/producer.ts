import { setTimeout as sleep } from 'node:timers/promises';
import { BatchWriter } from './batch-writer.ts';
import { KafkaError, toKafkaError } from './errors.ts';
import type { Cluster } from './kafkajs-internals.ts';
import type { KafkaLogger, Producer, TopicBatch } from './types.ts';

/** How long a batch is tried before its sender hears that its fate is unknown (as `delivery.timeout.ms` in Java). */
const DELIVERY_TIMEOUT_MS = 120_000;
const CLOSE_WAIT_MS_MAX = 3_000;
const CONNECT_TIMEOUT_MS = 30_000;
const CONNECT_RETRY_WAIT_MS = 200;
/** The protocol wants a transaction timeout also where there are no transactions. */
const UNUSED_TRANSACTION_TIMEOUT_MS = 60_000;

/**
 * An idempotent producer on a cluster of its own. One `send` is under way at a time, in the order of the calls: a batch
 * is as large as what gathers meanwhile, so nothing is gained by more of them, and sequence numbers stay plain.
 */
export async function createProducer(createCluster: () => Cluster, logger: KafkaLogger): Promise<Producer> {
  let connection = await connect(createCluster());
  let tail: Promise<void> = Promise.resolve();
  let closed = false;

  const sendNow = async (batches: readonly TopicBatch[]): Promise<void> => {
    const deadlineMs = Date.now() + DELIVERY_TIMEOUT_MS;
    try {
      const { writer } = connection;
      await writer.write(await writer.assign(batches, deadlineMs), deadlineMs);
    } catch (error) {
      const failure = toKafkaError(error, 'produce');
      if (!closed) {
        logger.warn(
          { err: failure },
          'a batch could not be produced; the producer starts anew with a fresh producer id',
        );
        await connection.cluster.disconnect();
        connection = await connect(createCluster());
      }
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
      // Without a broker the batch under way would be tried on; what it holds has not been acknowledged to anybody.
      await Promise.race([tail, sleep(CLOSE_WAIT_MS_MAX, undefined, { ref: false })]);
      await connection.cluster.disconnect();
    },
  };
}

async function connect(cluster: Cluster): Promise<{ readonly cluster: Cluster; readonly writer: BatchWriter }> {
  const deadlineMs = Date.now() + CONNECT_TIMEOUT_MS;
  for (;;) {
    try {
      await cluster.connect();
      await cluster.refreshMetadata();
      const broker = await cluster.findControllerBroker();
      const { producerId, producerEpoch } = await broker.initProducerId({
        transactionTimeout: UNUSED_TRANSACTION_TIMEOUT_MS,
      });
      const identity = { producerId: Number(producerId), producerEpoch, transactional: false };
      return { cluster, writer: new BatchWriter(cluster, identity, null) };
    } catch (error) {
      // A broker that has just started says for a while that it is still loading.
      const failure = toKafkaError(error, 'connect the producer');
      if (!failure.retriable || Date.now() > deadlineMs) {
        await cluster.disconnect();
        throw failure;
      }
      await sleep(CONNECT_RETRY_WAIT_MS);
    }
  }
}
