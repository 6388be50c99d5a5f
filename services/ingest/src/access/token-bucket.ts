export interface RateLimit {
  readonly eventsPerSecond: number;
  /** Events that may come at once after a pause. */
  readonly burstEvents: number;
}

/**
 * How many events a caller may still send. Events are counted when they have been read, so a large array may take the
 * bucket below empty; its sender then waits until the debt is paid. Over any longer time the rate holds.
 */
export class TokenBucket {
  readonly limit: RateLimit;
  #tokens: number;
  #updatedMs: number;

  constructor(limit: RateLimit, nowMs: number, tokens = limit.burstEvents) {
    this.limit = limit;
    this.#tokens = Math.min(tokens, limit.burstEvents);
    this.#updatedMs = nowMs;
  }

  /** The same bucket under another limit: what is left, or owed, stays so. */
  withLimit(limit: RateLimit): TokenBucket {
    return new TokenBucket(limit, this.#updatedMs, this.#tokens);
  }

  take(events: number): void {
    this.#tokens -= events;
  }

  /** Whole events that may be sent now; below 0, the debt. `nowMs` as in the constructor; a clock set back adds nothing. */
  left(nowMs: number): number {
    if (nowMs > this.#updatedMs) {
      const earned = ((nowMs - this.#updatedMs) * this.limit.eventsPerSecond) / 1_000;
      this.#tokens = Math.min(this.limit.burstEvents, this.#tokens + earned);
    }
    this.#updatedMs = nowMs;
    return Math.floor(this.#tokens);
  }

  /** Until `events` may be sent at once, as of the last `left`. */
  msUntil(events: number): number {
    return Math.max(0, ((events - this.#tokens) * 1_000) / this.limit.eventsPerSecond);
  }
}
