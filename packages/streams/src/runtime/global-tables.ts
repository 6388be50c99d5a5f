import { setTimeout as sleep } from 'node:timers/promises';
import {
  type InRecord,
  type Kafka,
  type KafkaAdmin,
  KafkaError,
  type PartitionReader,
  type ReadBatch,
} from '@millrace/kafka';
import type { Logger } from '@millrace/observability';
import { VersionedTable } from '../global-table.ts';
import type { Topic } from '../topology.ts';

const POLL_WAIT_MS = 200;
const RETRY_WAIT_MS = 500;

export interface GlobalTables {
  readonly tables: ReadonlyMap<string, VersionedTable<unknown>>;
  /** Resolves once every table has been read to where its topic ended at the start. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/** Whole topics in memory, read on as far as their owner asks. */
export interface TableReader {
  readonly tables: ReadonlyMap<string, VersionedTable<unknown>>;
  /** Every partition has answered since the last `startOver` that it has no more. */
  readonly isCaughtUp: boolean;
  /** From now on the tables count as caught up when they have all that is there now. */
  startOver(): void;
  /** Waits up to `maxWaitMs` for records. Throws `KafkaError`; a `retriable` one changes nothing. */
  poll(maxWaitMs: number): Promise<void>;
  /** The next `poll` connects anew, and goes on where the last one ended. */
  close(): Promise<void>;
}

export type PutAside = (record: InRecord, error: unknown) => Promise<void>;

/**
 * Whole topics, from their start, in no consumer group. A record that cannot be decoded is logged and left out of the
 * table, and handed to `putAside` by every instance that comes by it.
 */
export async function openTableReader(
  kafka: Kafka,
  admin: KafkaAdmin,
  topics: readonly Topic<unknown>[],
  logger: Logger,
  putAside: PutAside = async () => undefined,
): Promise<TableReader> {
  const byName = new Map(topics.map((topic) => [topic.name, topic]));
  const tables = new Map([...byName.keys()].map((name) => [name, new VersionedTable<unknown>()]));
  const positions = new Map<string, { topic: string; partition: number; offset: number | 'start' }>();
  for (const topic of byName.keys()) {
    for (const { partition } of await admin.offsets(topic))
      positions.set(`${topic}/${partition}`, { topic, partition, offset: 'start' });
  }
  let behind = new Set(positions.keys());
  let reader: PartitionReader | undefined;

  const apply = async ({ topic, partition, records, nextOffset, endOffset }: ReadBatch) => {
    const contract = byName.get(topic);
    const table = tables.get(topic);
    if (contract === undefined || table === undefined) return;
    for (const record of records) {
      const { key, value, timestampMs, offset } = record;
      try {
        table.apply(key?.toString('utf8') ?? '', timestampMs, value === null ? null : contract.decode(value));
      } catch (error) {
        logger.error(
          { err: error, topic, partition, offset },
          'a record of a reference topic cannot be read and is left out; write its key again',
        );
        await putAside(record, error);
      }
    }
    positions.set(`${topic}/${partition}`, { topic, partition, offset: nextOffset });
    if (nextOffset >= endOffset) behind.delete(`${topic}/${partition}`);
  };
  return {
    tables,
    get isCaughtUp() {
      return behind.size === 0;
    },
    startOver: () => {
      behind = new Set(positions.keys());
    },
    poll: async (maxWaitMs) => {
      if (reader === undefined) {
        reader = await kafka.reader({ isolation: 'read_committed' });
        reader.assign([...positions.values()]);
      }
      for (const batch of await reader.poll({ maxWaitMs })) await apply(batch);
    },
    close: async () => {
      const closing = reader;
      reader = undefined;
      await closing?.close();
    },
  };
}

/** Keeps whole topics in memory: every instance reads all of them, and goes on reading. */
export async function startGlobalTables(
  kafka: Kafka,
  admin: KafkaAdmin,
  topics: readonly Topic<unknown>[],
  logger: Logger,
  onFatal: (error: Error) => void,
  putAside?: PutAside,
): Promise<GlobalTables> {
  const reader = await openTableReader(kafka, admin, topics, logger, putAside);
  if (topics.length === 0) return { tables: reader.tables, ready: Promise.resolve(), close: async () => undefined };
  let closed = false;
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const polling = (async () => {
    while (!closed) {
      try {
        await reader.poll(POLL_WAIT_MS);
        if (reader.isCaughtUp) resolve();
      } catch (error) {
        if (closed) return;
        if (!(error instanceof KafkaError) || !error.retriable)
          return onFatal(error instanceof Error ? error : new Error(String(error)));
        await sleep(RETRY_WAIT_MS);
      }
    }
  })();
  return {
    tables: reader.tables,
    ready,
    close: async () => {
      closed = true;
      await reader.close();
      await polling;
      await reader.close(); // it may have been connecting
    },
  };
}
