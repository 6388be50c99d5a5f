import { setTimeout as sleep } from 'node:timers/promises';

export interface PaceOptions {
  /** How many times faster than it happened; Infinity: as fast as it is taken. */
  readonly speed: number;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
}

/** Waits are not worth a timer below this. */
const WAIT_MS_MIN = 2;

/**
 * Keeps a replay in step with the times of what it replays: returns when what happened at `timeMs` is due, counted from
 * the first call, or at once when the signal is aborted. Something without a time is due with what came before it.
 */
export function createPace({ speed, nowMs, signal }: PaceOptions): (timeMs: number | undefined) => Promise<void> {
  let first: { readonly timeMs: number; readonly atMs: number } | undefined;
  return async (timeMs) => {
    if (timeMs === undefined || !Number.isFinite(speed)) return;
    first ??= { timeMs, atMs: nowMs() };
    const waitMs = first.atMs + (timeMs - first.timeMs) / speed - nowMs();
    if (waitMs < WAIT_MS_MIN || signal.aborted) return;
    try {
      await sleep(waitMs, undefined, { signal });
    } catch (error) {
      // Aborted: the caller asks the signal before it goes on.
      if (!signal.aborted) throw error;
    }
  };
}
