import { setTimeout as sleep } from 'node:timers/promises';
import { type Kafka, type KafkaAdmin, KafkaError, type ReadBatch } from '@millrace/kafka';
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

/**
 * Keeps whole topics in memory. Every instance reads all of them from the start, in no consumer group, and goes on
 * reading. A record that cannot be decoded is logged and left out: which instance should put it aside?
 */
export async function startGlobalTables(
  kafka: Kafka,
  admin: KafkaAdmin,
  topics: readonly Topic<unknown>[],
  logger: Logger,
  onFatal: (error: Error) => void,
): Promise<GlobalTables> {
  const byName = new Map(topics.map((topic) => [topic.name, topic]));
  const tables = new Map([...byName.keys()].map((name) => [name, new VersionedTable<unknown>()]));
  if (byName.size === 0) return { tables, ready: Promise.resolve(), close: async () => undefined };

  const reader = await kafka.reader({ isolation: 'read_committed' });
  const behind = new Set<string>();
  for (const topic of byName.keys()) {
    for (const { partition } of await admin.offsets(topic)) {
      behind.add(`${topic}/${partition}`);
      reader.assign([{ topic, partition, offset: 'start' }]);
    }
  }
  let closed = false;
  const { promise: ready, resolve } = Promise.withResolvers<void>();

  const apply = ({ topic, partition, records, nextOffset, endOffset }: ReadBatch) => {
    const contract = byName.get(topic);
    const table = tables.get(topic);
    if (contract === undefined || table === undefined) return;
    for (const { key, value, timestampMs, offset } of records) {
      try {
        table.apply(key?.toString('utf8') ?? '', timestampMs, value === null ? null : contract.decode(value));
      } catch (error) {
        logger.error(
          { err: error, topic, partition, offset },
          'a record of a reference topic cannot be read and is left out; write its key again',
        );
      }
    }
    if (nextOffset >= endOffset) behind.delete(`${topic}/${partition}`);
    if (behind.size === 0) resolve();
  };
  const polling = (async () => {
    while (!closed) {
      try {
        for (const batch of await reader.poll({ maxWaitMs: POLL_WAIT_MS })) apply(batch);
      } catch (error) {
        if (closed) return;
        if (!(error instanceof KafkaError) || !error.retriable)
          return onFatal(error instanceof Error ? error : new Error(String(error)));
        await sleep(RETRY_WAIT_MS);
      }
    }
  })();
  return {
    tables,
    ready,
    close: async () => {
      closed = true;
      await reader.close();
      await polling;
    },
  };
}
