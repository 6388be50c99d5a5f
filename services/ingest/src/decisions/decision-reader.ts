import { setTimeout as sleep } from 'node:timers/promises';
import { type InRecord, KafkaError, type PartitionReader } from '@millrace/kafka';
import type { Logger } from '@millrace/observability';

/** Where decisions come from. */
export interface DecisionSource {
  /**
   * Sees to it that decisions are read, for some time from now on. True once every decision that is made from then on
   * will be handed over; false when that cannot be had now. Never rejects.
   */
  listen(): Promise<boolean>;
}

export interface DecisionReaderLimits {
  /** Reading ends when nobody has called `listen` for this long. */
  readonly idleMs: number;
  /**
   * How long one poll waits when there is nothing. A poll asks all leaders and is as slow as the slowest of them, so
   * where there are several brokers a quiet one holds back the decisions of the others for so long.
   */
  readonly pollMs: number;
  /** Between a failure and the next attempt. */
  readonly retryMs: number;
}

export const DECISION_READER_LIMITS: DecisionReaderLimits = { idleMs: 60_000, pollMs: 20, retryMs: 500 };

export interface DecisionReaderOptions {
  readonly topic: string;
  /** Opens a reader of committed records. */
  readonly openReader: () => Promise<PartitionReader>;
  /** Of every partition of the topic, where the committed records end. */
  readonly endOffsets: () => Promise<readonly { readonly partition: number; readonly end: number }[]>;
  /** Gets each record that is read, partition by partition in order. */
  readonly take: (record: InRecord) => void;
  /** Monotonic. */
  readonly nowMs: () => number;
  readonly logger: Logger;
  readonly limits?: DecisionReaderLimits;
}

export interface DecisionReader extends DecisionSource {
  close(): Promise<void>;
}

interface Run {
  readonly stop: AbortController;
  /** By partition: the next offset. Empty until the end of the topic was looked up. */
  readonly next: Map<number, number>;
  listening: Promise<boolean>;
}

/**
 * Reads a topic from its end on, all partitions, without a consumer group: every instance reads everything. It reads
 * only while somebody asks it to, so that who does not use it pays nothing.
 *
 * Delivery: from the moment `listen` has said true every committed record is handed over once, across failures of
 * Kafka as well. Records of aborted transactions never are. Nothing is written.
 */
export function createDecisionReader(options: DecisionReaderOptions): DecisionReader {
  const { topic, openReader, endOffsets, take, nowMs, logger } = options;
  const { idleMs, pollMs, retryMs } = options.limits ?? DECISION_READER_LIMITS;
  let running: Run | undefined;
  let done = Promise.resolve();
  let lastUseMs = 0;
  let closed = false;

  function start(): Run {
    const first = Promise.withResolvers<boolean>();
    const run: Run = { stop: new AbortController(), next: new Map(), listening: first.promise };
    const tell = (listening: boolean) => {
      first.resolve(listening);
      run.listening = Promise.resolve(listening);
    };
    done = read(run, tell);
    return run;
  }

  async function read(run: Run, tell: (listening: boolean) => void): Promise<void> {
    while (goesOn(run)) {
      try {
        await readWhileWanted(run, tell);
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        logger.warn({ reason: error.message, topic }, 'decisions cannot be read; trying again');
        // Whoever asks meanwhile need not wait for what may not come.
        tell(false);
        // What is wrong with the place would be wrong again (records that retention removed, a topic made anew).
        if (!error.retriable) run.next.clear();
        // Ended early by `close`, which is no failure.
        await Promise.allSettled([sleep(retryMs, undefined, { signal: run.stop.signal })]);
      }
    }
    tell(false);
  }

  async function readWhileWanted(run: Run, tell: (listening: boolean) => void): Promise<void> {
    // 1. The first time from the end as it is now; after a failure from where it was, so that nothing is missed.
    if (run.next.size === 0) for (const { partition, end } of await endOffsets()) run.next.set(partition, end);
    const reader = await openReader();
    try {
      reader.assign(Array.from(run.next, ([partition, offset]) => ({ topic, partition, offset })));
      // 2. What is decided from here on will be seen, however long the first answer takes.
      tell(true);
      while (goesOn(run)) {
        for (const { partition, records, nextOffset } of await reader.poll({ maxWaitMs: pollMs })) {
          for (const record of records) take(record);
          run.next.set(partition, nextOffset);
        }
      }
    } finally {
      await reader.close();
    }
  }

  /** A run that is over is forgotten in the same moment: whoever comes now starts another. */
  function goesOn(run: Run): boolean {
    if (!run.stop.signal.aborted && nowMs() - lastUseMs < idleMs) return true;
    if (running === run) running = undefined;
    return false;
  }

  return {
    listen() {
      if (closed) return Promise.resolve(false);
      lastUseMs = nowMs();
      running ??= start();
      return running.listening;
    },
    async close() {
      closed = true;
      running?.stop.abort();
      await done;
    },
  };
}
