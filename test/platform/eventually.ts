import { AssertionError } from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';

/** Generous, because it only bounds a failure: on an idle machine nothing here takes a tenth of it. */
const WAIT_MS_MAX = 90_000;
const POLL_MS = 100;

/**
 * Asks again and again until `probe` no longer objects, and resolves to its answer. "Not yet" is an assertion that does
 * not hold, or a server that does not answer; any other error is a fault of the test and ends it at once.
 *
 * @throws {AssertionError} after `waitMsMax`, with the last objection as its cause
 */
export async function eventually<T>(probe: () => T | Promise<T>, waitMsMax = WAIT_MS_MAX): Promise<T> {
  const deadlineMs = performance.now() + waitMsMax;
  for (;;) {
    try {
      return await probe();
    } catch (error) {
      if (!isNotYet(error)) throw error;
      if (performance.now() > deadlineMs) {
        const message = `not within ${waitMsMax / 1_000} s: ${(error as Error).message}`;
        throw Object.assign(new AssertionError({ message, stackStartFn: eventually }), { cause: error });
      }
    }
    await sleep(POLL_MS);
  }
}

/** `fetch` rejects with a TypeError when nobody listens or the connection breaks, and by its signal when it takes long. */
export function isNotYet(error: unknown): boolean {
  return (
    error instanceof AssertionError ||
    (error instanceof TypeError && error.cause !== undefined) ||
    (error instanceof DOMException && error.name === 'TimeoutError')
  );
}
