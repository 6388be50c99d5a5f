import { ensureTopics, type Topics } from '@millrace/contracts';
import type { Kafka } from '@millrace/kafka';
import type { Health, Logger } from '@millrace/observability';
import type { Warehouse } from '@millrace/warehouse';
import { pause } from './pause.ts';

export interface ReadinessOptions {
  readonly warehouse: Pick<Warehouse, 'query'>;
  readonly kafka: Pick<Kafka, 'admin'>;
  readonly topics: Topics;
  readonly health: Health;
  readonly logger: Logger;
}

const CHECK_MS = 5_000;
const STARTING_CHECK_MS = 500;

/**
 * Ready means: the tables are there and ClickHouse answers, now; and Kafka had the topics once. While Kafka is away the
 * live streams are too, but every question is still answered, so that does not take this service out of service.
 */
export function watchReadiness({ warehouse, kafka, topics, health, logger }: ReadinessOptions): {
  close(): Promise<void>;
} {
  const stopping = new AbortController();
  const { signal } = stopping;
  health.set('tables', { ready: false, detail: 'waiting for ClickHouse and its tables' });
  health.set('topics', { ready: false, detail: 'waiting for Kafka' });

  async function watchTables(): Promise<void> {
    let answers: boolean | undefined;
    while (!signal.aborted) {
      try {
        // Of the last table of the last migration, so that the earlier ones are there too.
        await warehouse.query('SELECT kind FROM ledger LIMIT 0');
        if (answers === false) logger.info('ClickHouse answers');
        answers = true;
      } catch (error) {
        if (answers !== false) logger.info({ reason: messageOf(error) }, 'waiting for ClickHouse and its tables');
        answers = false;
      }
      health.set('tables', answers ? { ready: true } : { ready: false, detail: 'ClickHouse or its tables are away' });
      await pause(answers ? CHECK_MS : STARTING_CHECK_MS, signal);
    }
  }

  async function awaitTopics(): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        const admin = await kafka.admin();
        try {
          await ensureTopics(admin, topics);
        } finally {
          await admin.close();
        }
        health.set('topics', { ready: true });
        return;
      } catch (error) {
        if (attempt === 1) logger.warn({ reason: messageOf(error) }, 'waiting for Kafka');
        await pause(CHECK_MS, signal);
      }
    }
  }

  const done = Promise.all([watchTables(), awaitTopics()]);
  return {
    close: async () => {
      stopping.abort();
      await done;
    },
  };
}

/** A thing that is not there yet needs no stack. */
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
