import { setTimeout as sleep } from 'node:timers/promises';
import type { InRecord, Kafka, Producer } from '@millrace/kafka';
import type { Logger } from '@millrace/observability';
import { type DeadLetterTopic, deadLetterOf, deadLetterRecord, reasonOf } from '../dead-letter.ts';

const RETRY_WAIT_MS = 500;

export interface LetterWriter {
  /** Resolves when the letter is in Kafka, or after `stop`. */
  write(record: InRecord, error: unknown): Promise<void>;
  /** What cannot be written now will be by the next start, which reads the record again. */
  stop(): void;
  close(): Promise<void>;
}

/**
 * Dead letters of records that no task owns: those of the tables that every instance holds whole.
 *
 * Delivery: at least once. Each instance that comes by such a record writes its letter, and again after a restart; the
 * id names where the record lies, so it is the same letter each time.
 */
export function createLetterWriter(options: {
  readonly kafka: Pick<Kafka, 'producer'>;
  readonly topic: DeadLetterTopic;
  readonly stage: string;
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number;
  readonly logger: Logger;
}): LetterWriter {
  const { kafka, topic, stage, now, logger } = options;
  let producer: Producer | undefined;
  const stopping = new AbortController();
  const { signal } = stopping;
  return {
    async write(record, error) {
      const message = error instanceof Error ? error.message : String(error);
      const letter = deadLetterOf(record, stage, reasonOf(error, 'undecodable'), message, now());
      while (!signal.aborted) {
        try {
          producer ??= await kafka.producer(); // few applications ever need it
          await producer.send([{ topic: topic.name, records: [deadLetterRecord(topic, letter)] }]);
          return;
        } catch (failure) {
          if (signal.aborted) return;
          logger.warn({ err: failure, letter: letter.id }, 'a dead letter cannot be written yet');
          await sleep(RETRY_WAIT_MS, undefined, { signal }).catch(() => undefined);
        }
      }
    },
    stop: () => stopping.abort(),
    close: async () => {
      await producer?.close();
    },
  };
}
