import { setTimeout as sleep } from 'node:timers/promises';

export const BACKOFF_MS_FIRST = 100;
/** Short enough that work goes on soon after the other side is back. */
export const BACKOFF_MS_MAX = 5_000;

export interface RetryOptions {
  isRetriable(error: unknown): boolean;
  /** Called before each wait, with the number of the attempt that failed (from 1). */
  onFailure(error: unknown, attempt: number): void;
  /** Ends the waiting; the last error is then thrown. */
  readonly signal: AbortSignal;
  /** Stands in for the clock in tests. */
  readonly wait?: (delayMs: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Tries until there is an answer, with doubling waits up to `BACKOFF_MS_MAX`, half of each at random. There is no last
 * attempt while the process runs: nothing may be skipped, and the caller has paused its source by waiting here.
 */
export async function untilDone<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const wait = options.wait ?? waitOrAbort;
  for (let failures = 1; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (options.signal.aborted || !options.isRetriable(error)) throw error;
      options.onFailure(error, failures);
      const delayMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** Math.min(failures - 1, 16));
      await wait(delayMs / 2 + (Math.random() * delayMs) / 2, options.signal);
      if (options.signal.aborted) throw error;
    }
  }
}

/** Returns early when the signal comes: its owner looks at the signal next. */
export async function waitOrAbort(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
