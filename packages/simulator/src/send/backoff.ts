import { setTimeout as sleep } from 'node:timers/promises';
import { SimulatorError } from '../errors.ts';

const DELAY_MS_MIN = 50;
const DELAY_MS_MAX = 3_000;

/**
 * Calls `attempt` until it gives something, with growing delays, for as long as it takes: what was accepted by nobody
 * must not be forgotten, and whoever calls this holds back its source meanwhile. `attempt` returns what to wait for as
 * `{ retryAfterMs }` (0: no wish), or throws what no repetition can mend.
 *
 * @throws {SimulatorError} `aborted` when the signal is.
 */
export async function untilDone<T>(
  attempt: () => Promise<{ readonly value: T } | { readonly retryAfterMs: number }>,
  signal: AbortSignal,
): Promise<T> {
  for (let delayMs = DELAY_MS_MIN; ; delayMs = Math.min(2 * delayMs, DELAY_MS_MAX)) {
    if (signal.aborted) throw new SimulatorError('aborted', 'stopped while sending');
    const outcome = await attempt();
    if ('value' in outcome) return outcome.value;
    try {
      await sleep(Math.max(delayMs, outcome.retryAfterMs), undefined, { signal });
    } catch (cause) {
      throw new SimulatorError('aborted', 'stopped while waiting to send again', { cause });
    }
  }
}
