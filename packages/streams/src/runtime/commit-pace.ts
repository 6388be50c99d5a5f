/** Commits that are remembered: enough to outvote a few, and few enough to follow what happens to the cluster. */
const REMEMBERED = 9;
/** Of a task that has caught up: so many times as long as a commit takes lies between the starts of two commits. */
const COMMIT_DURATIONS_APART = 5;

/**
 * When the next commit is due. Behind a backlog the whole interval passes, so that a commit is shared by many records. A
 * task that has caught up commits sooner, by what a commit takes here as a rule (the median of the last ones: those that
 * were slow by chance, while somebody had the processor, say little): soon on a quiet cluster, and on a busy one no more
 * often than behind a backlog.
 */
export class CommitPace {
  readonly #intervalMs: number;
  readonly #durationsMs: number[] = [];
  #next = 0;
  #usualMs = Number.POSITIVE_INFINITY;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Of a commit that has ended. */
  took(durationMs: number): void {
    this.#durationsMs[this.#next] = durationMs;
    this.#next = (this.#next + 1) % REMEMBERED;
    const sorted = this.#durationsMs.toSorted((a, b) => a - b);
    this.#usualMs = sorted[Math.floor(sorted.length / 2)] ?? Number.POSITIVE_INFINITY;
  }

  /** How long after the start of the last commit the next one starts, in milliseconds; before the first, the interval. */
  apartMs(caughtUp: boolean): number {
    return caughtUp ? Math.min(this.#usualMs * COMMIT_DURATIONS_APART, this.#intervalMs) : this.#intervalMs;
  }
}
