import { recordHeaders, type TopicContract } from '@millrace/contracts';
import { type Kafka, KafkaError, type OutRecord, type TopicBatch, type TransactionalProducer } from '@millrace/kafka';
import { childOf, newTraceparent } from '@millrace/observability';
import { openMarks } from './compacted-marks.ts';
import { IngestError } from './errors.ts';
import type { EventsOfTopic } from './publisher.ts';

export interface ProgressLogOptions<Mark> {
  readonly kafka: Pick<Kafka, 'transactionalProducer' | 'reader'>;
  /** The topic of the marks: compacted, its key says what a mark is about. */
  readonly contract: TopicContract<Mark>;
  /** Who opens a log with this id ends the log that somebody else has open with it. */
  readonly transactionalId: string;
  readonly nowMs: () => number;
  /** Only marks of these keys are of interest, and held. Default: all. */
  readonly isWanted?: (key: string) => boolean;
  /** Of the marks that are held in memory. Default: `KEYS_MAX`. */
  readonly keysMax?: number;
}

export interface ProgressCommit<Mark> {
  readonly parts?: readonly EventsOfTopic[];
  /** Records beside those of the parts, as they are. */
  readonly batches?: readonly TopicBatch[];
  readonly marks: readonly Mark[];
  /** The events join this trace; without it each begins one of its own. */
  readonly traceparent?: string | undefined;
}

export interface ProgressLog<Mark> {
  /** The newest mark, as committed: by this log, or by a predecessor. */
  get(key: string): Mark | undefined;
  /** Keys that are held. */
  readonly size: number;
  /**
   * Events and the marks about them become visible together, or not at all. One commit at a time.
   *
   * After a rejection (`taken-over`, `unavailable`, `closed`) nobody knows whether they did: the log takes nothing more.
   * Close it, open another one, and `get` tells.
   */
  commit(commit: ProgressCommit<Mark>): Promise<void>;
  close(): Promise<void>;
}

export const KEYS_MAX = 200_000;
/**
 * After this time the broker aborts what was left open, and until then nobody who reads committed records sees what comes
 * behind it: live payments wait. A commit is tried for half of it.
 */
const TRANSACTION_TIMEOUT_MS = 10_000;

/**
 * A log of how far some work has come, kept in a compacted topic. The marks are written in the same transaction as the
 * events that the work produces, so whoever goes on after a kill finds a mark that says exactly what is in the topics.
 *
 * Delivery: exactly once, for readers of committed records. Opening fences every earlier log with the same transactional
 * id, completes or aborts what it left behind, and only then reads the marks: none can be added behind its back.
 *
 * @throws {IngestError} `unavailable` when Kafka is away, `overloaded` when there are more than `keysMax` keys.
 */
export async function openProgressLog<Mark>(options: ProgressLogOptions<Mark>): Promise<ProgressLog<Mark>> {
  const { kafka, contract, transactionalId, nowMs, keysMax = KEYS_MAX } = options;
  const markByKey = new Map<string, Mark>();
  // 1. Fence: from here on no predecessor commits anything.
  const producer = await openProducer(kafka, transactionalId);
  try {
    // 2. Read what they have left.
    await readMarks();
  } catch (error) {
    await producer.close();
    throw error;
  }

  async function readMarks(): Promise<void> {
    let overflow = false;
    const marks = await openMarks({
      kafka,
      contract,
      ...(options.isWanted === undefined ? {} : { isWanted: options.isWanted }),
      onMark(key, mark) {
        if (mark === undefined) markByKey.delete(key);
        else if (markByKey.size < keysMax || markByKey.has(key)) markByKey.set(key, mark);
        else overflow = true;
      },
    });
    try {
      await marks.catchUp();
    } finally {
      await marks.close();
    }
    if (!overflow) return;
    const message = `${contract.name} has more than ${keysMax} keys; wait until its retention has removed old ones.`;
    throw new IngestError('overloaded', message);
  }

  let state: 'open' | 'committing' | 'failed' | 'closed' = 'open';
  return {
    get: (key) => markByKey.get(key),
    get size() {
      return markByKey.size;
    },
    async commit({ parts = [], batches = [], marks, traceparent }) {
      if (state !== 'open') throw new IngestError('closed', `The progress log of ${transactionalId} is ${state}.`);
      state = 'committing';
      const ingestedAtMs = nowMs();
      const written = toBatches([...parts, { contract, events: marks } as EventsOfTopic], ingestedAtMs, traceparent);
      try {
        await producer.commitTransaction({ batches: [...batches, ...written] });
      } catch (cause) {
        state = 'failed';
        throw toIngestError(transactionalId, cause);
      }
      for (const mark of marks) markByKey.set(contract.key(mark), mark);
      state = 'open';
    },
    async close() {
      state = 'closed';
      await producer.close();
    },
  };
}

async function openProducer(
  kafka: Pick<Kafka, 'transactionalProducer'>,
  transactionalId: string,
): Promise<TransactionalProducer> {
  try {
    return await kafka.transactionalProducer({ transactionalId, transactionTimeoutMs: TRANSACTION_TIMEOUT_MS });
  } catch (cause) {
    throw toIngestError(transactionalId, cause);
  }
}

function toBatches(
  parts: readonly EventsOfTopic[],
  ingestedAtMs: number,
  traceparent: string | undefined,
): TopicBatch[] {
  const recordsByTopic = new Map<string, OutRecord[]>();
  for (const { contract, events } of parts) {
    const records = recordsByTopic.get(contract.name) ?? [];
    recordsByTopic.set(contract.name, records);
    for (const event of events) {
      const headers = recordHeaders({
        schema: contract.schema,
        eventId: contract.eventId(event),
        traceparent: traceparent === undefined ? newTraceparent() : childOf(traceparent),
        ingestedAtMs,
      });
      const value = contract.encode(event);
      records.push({ key: contract.key(event), value, headers, timestampMs: contract.timestampMs(event) });
    }
  }
  return Array.from(recordsByTopic, ([topic, records]) => ({ topic, records }));
}

function toIngestError(transactionalId: string, cause: unknown): IngestError {
  if (cause instanceof KafkaError && cause.code === 'fenced') {
    return new IngestError('taken-over', `Another log was opened for ${transactionalId}.`, { cause });
  }
  return new IngestError('unavailable', `Kafka did not confirm what ${transactionalId} wrote.`, { cause });
}
