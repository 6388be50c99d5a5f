import type { DeadLetter, TopicContract } from '@millrace/contracts';
import { type GroupMembership, KafkaError, type Producer } from '@millrace/kafka';
import type { Logger } from '@millrace/observability';
import { storedOffsets, type Warehouse, WarehouseError } from '@millrace/warehouse';
import { deadLetterRecord } from './dead-letter.ts';
import type { SinkMetrics } from './metrics.ts';
import { untilDone } from './retry.ts';
import type { Route } from './routes.ts';
import type { Outside } from './store-block.ts';

/** Learns which topics wait for Kafka or ClickHouse: the service is not ready while one does. */
export interface Waiting {
  add(topic: string, detail: string): void;
  delete(topic: string): void;
}

export interface OutsideOptions {
  readonly route: Route;
  readonly generation: number;
  readonly membership: Pick<GroupMembership, 'commit'>;
  readonly warehouse: Pick<Warehouse, 'insertRows' | 'query'>;
  readonly producer: Pick<Producer, 'send'>;
  readonly deadLetters: TopicContract<DeadLetter>;
  readonly metrics: SinkMetrics;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
  readonly persist: Persist;
}

export interface PersistOptions {
  readonly route: Route;
  readonly metrics: SinkMetrics;
  readonly waiting: Waiting;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Runs one call to the outside until it has an answer; see `untilDone`. */
export type Persist = <T>(doing: string, attempt: () => Promise<T>) => Promise<T>;

/**
 * Bounded waits, an unbounded number of them: the topic's loop stands still meanwhile, so nothing is read that cannot be
 * stored, `millrace_sink_paused` says so, and the service is not ready.
 */
export function createPersist({ route, metrics, waiting, logger, signal }: PersistOptions): Persist {
  const { topic } = route;
  return async (doing, attempt) => {
    let failed = false;
    try {
      return await untilDone(attempt, {
        isRetriable,
        signal,
        onFailure: (error, failures) => {
          failed = true;
          metrics.retries.inc({ topic, doing });
          metrics.paused.set({ topic }, 1);
          waiting.add(topic, `${doing} fails: ${error instanceof Error ? error.message : String(error)}`);
          logger.warn({ err: error, topic, doing, failures }, 'waiting for the outside; the topic is paused');
        },
      });
    } finally {
      if (failed) {
        metrics.paused.set({ topic }, 0);
        waiting.delete(topic);
      }
    }
  };
}

/** Kafka and ClickHouse for the blocks of one topic in one generation of the group. */
export function createOutside(options: OutsideOptions): Outside {
  const { route, generation, membership, warehouse, producer, deadLetters, metrics, logger, now, persist } = options;
  const { topic, table } = route;
  return {
    commit: (offsets) => persist('commit', () => membership.commit(generation, offsets)),
    insert: (block, token, { skipFaultyRows }) =>
      persist('insert', async () => {
        const startedAt = now();
        await warehouse.insertRows(table, block.body, {
          deduplicationToken: token,
          ...(skipFaultyRows && { settings: { input_format_allow_errors_num: String(block.rowCount) } }),
        });
        metrics.insertSeconds.observe({ table }, (now() - startedAt) / 1_000);
        metrics.blockRows.observe({ table }, block.rowCount);
        metrics.rowsStored.inc({ table }, block.rowCount);
      }),
    storedOffsets: (ranges) => persist('look up', () => storedOffsets(warehouse, table, topic, ranges)),
    deadLetter: async (records) => {
      logger.warn({ topic, count: records.length, first: records[0]?.record.offset }, 'records become dead letters');
      const letters = records.map((refused) => deadLetterRecord(deadLetters, refused, now()));
      await persist('dead-letter', () => producer.send([{ topic: deadLetters.name, records: letters }]));
    },
  };
}

function isRetriable(error: unknown): boolean {
  return (error instanceof WarehouseError || error instanceof KafkaError) && error.retriable;
}
