import type { HopHead } from '@millrace/warehouse';

export interface SettlingOptions {
  readonly settleMs: number;
  /** A partition without news for this long does not hold back the others. */
  readonly stallMs: number;
}

/**
 * Up to which acceptance time events should have arrived, so that what has not is lost and not merely under way.
 *
 * The measure is the pipeline's own progress, as stream time is for windows: an event is due when the last hop has
 * moved on to events accepted `settleMs` later, in every partition that moves. A pipeline that works off a backlog is
 * late but loses nothing. A partition that has not moved for `stallMs` is not waited for; when none moves, the wall
 * clock counts.
 */
export function createSettling({ settleMs, stallMs }: SettlingOptions) {
  const partitions = new Map<number, { newestMs: number; movedAtMs: number }>();
  return {
    /** News of the last hop. */
    moved(heads: readonly HopHead[], nowMs: number): void {
      for (const { partition, newestMs } of heads) {
        const known = partitions.get(partition)?.newestMs ?? 0;
        partitions.set(partition, { newestMs: Math.max(known, newestMs), movedAtMs: nowMs });
      }
    },
    settledBeforeMs(nowMs: number): number {
      const moving = [...partitions.values()].filter(({ movedAtMs }) => nowMs - movedAtMs < stallMs);
      return Math.min(nowMs, ...moving.map(({ newestMs }) => newestMs)) - settleMs;
    },
  };
}

export type Settling = ReturnType<typeof createSettling>;
