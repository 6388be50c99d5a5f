import type { BatchProgress, Topics } from '@millrace/contracts';
import type { Kafka } from '@millrace/kafka';
import { type Marks, openMarks } from '../compacted-marks.ts';
import { IngestError } from '../errors.ts';
import { openProgressLog, type ProgressLog } from '../progress-log.ts';

/** Batches that `recent` knows; older ones are looked up one by one. */
export const RECENT_BATCHES_MAX = 1_000;

/** The right of a sender to write a batch, which ends when a later sender claims it. */
export interface BatchClaim {
  readonly batchId: string;
  /**
   * Fences every other sender of the batch, in whatever process it is.
   * @throws {IngestError} `unavailable`, or `taken-over` when a later sender has claimed the batch here
   */
  openLog(): Promise<ProgressLog<BatchProgress>>;
  release(): void;
}

/** What is known of batches, as it is in Kafka. All reject with `IngestError` `unavailable` when Kafka is away. */
export interface BatchStore {
  /** Of the senders in this process the last one to claim a batch has it, whoever is quicker to open its log. */
  claim(batchId: string): BatchClaim;
  progressOf(batchId: string): Promise<BatchProgress | undefined>;
  /** The newest first. */
  recent(): Promise<BatchProgress[]>;
  close(): Promise<void>;
}

export interface BatchStoreOptions {
  readonly kafka: Pick<Kafka, 'transactionalProducer' | 'reader'>;
  readonly topics: Pick<Topics, 'batchesProgress'>;
  readonly nowMs: () => number;
}

export function createBatchStore({ kafka, topics, nowMs }: BatchStoreOptions): BatchStore {
  const contract = topics.batchesProgress;
  /** In the order in which they were last written. */
  const recentById = new Map<string, BatchProgress>();
  let isComplete = true;
  let following: Promise<Marks> | undefined;
  const claims = new Map<string, { holder: BatchClaim; opening: Promise<unknown> }>();

  function claim(batchId: string): BatchClaim {
    const holder: BatchClaim = {
      batchId,
      async openLog() {
        // A sender that was killed may just be opening its log: its opening must not come after ours.
        await entry.opening;
        if (entry.holder !== holder) throw new IngestError('taken-over', `Batch ${batchId} has a later sender.`);
        const opened = openProgressLog({
          ...{ kafka, contract, nowMs },
          transactionalId: `${contract.name}.${batchId}`,
          isWanted: (key) => key === batchId,
        });
        entry.opening = Promise.allSettled([opened]);
        return opened;
      },
      release() {
        if (entry.holder === holder) claims.delete(batchId);
      },
    };
    const entry = claims.get(batchId) ?? { holder, opening: Promise.resolve() };
    entry.holder = holder;
    claims.set(batchId, entry);
    return holder;
  }

  function onMark(key: string, mark: BatchProgress | undefined): void {
    recentById.delete(key);
    if (mark === undefined) return;
    recentById.set(key, mark);
    if (recentById.size <= RECENT_BATCHES_MAX) return;
    const [oldest = ''] = recentById.keys();
    recentById.delete(oldest);
    isComplete = false;
  }

  /** Reads what has been written since the last question; the first one reads all. */
  async function catchUp(): Promise<void> {
    following ??= openMarks({ kafka, contract, onMark });
    const opened = following;
    try {
      await (await opened).catchUp();
    } catch (error) {
      if (following === opened) {
        following = undefined;
        recentById.clear();
        isComplete = true;
      }
      await opened.then(
        (marks) => marks.close(),
        () => undefined, // it was not opened, which is the error below
      );
      throw error;
    }
  }

  /** The whole topic, for one batch. */
  async function lookUp(batchId: string): Promise<BatchProgress | undefined> {
    let found: BatchProgress | undefined;
    const marks = await openMarks<BatchProgress>({
      kafka,
      contract,
      isWanted: (key) => key === batchId,
      onMark: (_key, mark) => {
        found = mark;
      },
    });
    try {
      await marks.catchUp();
    } finally {
      await marks.close();
    }
    return found;
  }

  return {
    claim,
    async progressOf(batchId) {
      await catchUp();
      return recentById.get(batchId) ?? (isComplete ? undefined : lookUp(batchId));
    },
    async recent() {
      await catchUp();
      return [...recentById.values()].reverse();
    },
    async close() {
      const marks = await following?.catch(() => undefined);
      await marks?.close();
    },
  };
}
