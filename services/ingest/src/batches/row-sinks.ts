import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchProgress } from '@millrace/contracts';
import { IngestError } from '../errors.ts';
import { STALL_MS_MAX } from '../http/event-stream.ts';
import type { ProgressLog } from '../progress-log.ts';
import type { EventsOfTopic, Publisher } from '../publisher.ts';
import type { BatchClaim } from './batch-store.ts';

/** What is settled of a batch, itself included. */
export type Settled = Omit<BatchProgress, 'batch_id' | 'kind' | 'mapping_sha256' | 'started_at' | 'updated_at'>;

/** Where the events of a batch go. */
export interface RowSink {
  /** What earlier senders of the same batch have settled. */
  readonly resumed: Settled | undefined;
  /** Rejects with `IngestError`, after `STALL_MS_MAX` at the latest; nothing may be settled behind it then. */
  settle(parts: readonly EventsOfTopic[], settled: Settled): Promise<void>;
  close(): Promise<void>;
}

/** A dry run: everything is checked, and nothing kept. */
export function createDrySink(): RowSink {
  return { resumed: undefined, settle: async () => {}, close: async () => {} };
}

/**
 * Delivery: at least once. A chunk that Kafka did not confirm is published again, and a batch that is sent again is
 * published again as a whole; the ids of its events make that harmless further on.
 */
export function createPublishSink(publisher: Publisher, traceparent: string | undefined): RowSink {
  return {
    resumed: undefined,
    async settle(parts) {
      const deadlineMs = performance.now() + STALL_MS_MAX;
      for (;;) {
        try {
          return await publisher.publishAll(parts, traceparent);
        } catch (error) {
          const leftMs = deadlineMs - performance.now();
          if (!isWorthWaiting(error) || leftMs <= 0) throw error;
          await Promise.race([publisher.whenReady(), sleep(leftMs)]);
        }
      }
    },
    close: async () => {},
  };
}

export interface ProgressSinkOptions {
  readonly claim: BatchClaim;
  readonly kind: string;
  readonly mappingSha256: string | undefined;
  readonly nowMs: () => number;
  readonly traceparent: string | undefined;
}

const REOPEN_WAIT_MS = 200;

/**
 * Delivery: exactly once. Each chunk is one transaction with the progress of the batch. When nobody can say whether one
 * was committed, the log is opened anew, which ends it one way or the other, and its last mark tells which. A sender
 * that comes later takes the batch over: the earlier one's next chunk is refused (`taken-over`).
 *
 * @throws {IngestError} `unavailable`, `taken-over`
 */
export async function openProgressSink(options: ProgressSinkOptions): Promise<RowSink> {
  const { claim, nowMs, traceparent } = options;
  const { batchId } = claim;
  let log = await opened(claim, performance.now() + STALL_MS_MAX);
  const found = log.get(batchId);
  const startedAtMs = found?.started_at ?? nowMs();

  function markOf(settled: Settled): BatchProgress {
    return {
      batch_id: batchId,
      kind: options.kind,
      ...(options.mappingSha256 === undefined ? {} : { mapping_sha256: options.mappingSha256 }),
      ...settled,
      started_at: startedAtMs,
      updated_at: nowMs(),
    };
  }

  async function settle(parts: readonly EventsOfTopic[], settled: Settled): Promise<void> {
    const deadlineMs = performance.now() + STALL_MS_MAX;
    const before = log.get(batchId);
    const mark = markOf(settled);
    for (;;) {
      try {
        return await log.commit({ parts, marks: [mark], traceparent });
      } catch (error) {
        if (!isWorthWaiting(error) || performance.now() > deadlineMs) throw error;
      }
      await log.close();
      log = await opened(claim, deadlineMs);
      const now = log.get(batchId);
      if (now !== undefined && isSame(now, mark)) return;
      if (!isSame(now, before))
        throw new IngestError('taken-over', `Another sender has gone on with batch ${batchId}.`);
    }
  }

  return { resumed: found, settle, close: () => log.close() };
}

async function opened(claim: BatchClaim, deadlineMs: number): Promise<ProgressLog<BatchProgress>> {
  for (;;) {
    try {
      return await claim.openLog();
    } catch (error) {
      if (!isWorthWaiting(error) || performance.now() > deadlineMs) throw error;
      await sleep(REOPEN_WAIT_MS);
    }
  }
}

function isWorthWaiting(error: unknown): boolean {
  return error instanceof IngestError && error.retriable && error.code !== 'closed';
}

function isSame(one: BatchProgress | undefined, other: BatchProgress | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
