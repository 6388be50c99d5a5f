import type { WindowReader } from './window-reader.ts';

/** What a view needs of its store. */
export interface WindowSource<F extends string> {
  /** Turns the reader to a key; one that the store does not know has no events. */
  open(key: string): WindowReader<F>;
  add(key: string, timeMs: number, fields: Readonly<Record<F, number>>): void;
}

/**
 * The events of one key. Every window is `(atMs - windowMs, atMs]`: it ends at the event in question, which counts
 * once it has been added, and never sees what happened later, also when a late event asks. Times and lengths are in
 * milliseconds; `windowMs` is at most the retention of the store.
 *
 * What a question costs a key with n events in memory. Below 64 of them every one is looked at, which takes less than
 * any index. From there on, for the windows that the store declares, as long as questions go forward in time: `count`,
 * `distinct` and `countWhere` O(1) amortised, and so `sum`, `mean` and `deviation` of fields named in `sums`; `min`,
 * `max` and `quantile` O(log n). Other windows add a bisection and are as quick for `sum`, `mean`, `deviation`, `min` and
 * `max`. Everything else, and a question of a late event, looks at all events of the window. The answers are the same.
 */
export class WindowView<F extends string> {
  readonly #source: WindowSource<F>;
  readonly #key: string;

  constructor(source: WindowSource<F>, key: string) {
    this.#source = source;
    this.#key = key;
  }

  /** Field values are finite numbers. */
  add(timeMs: number, fields: Readonly<Record<F, number>>): void {
    this.#source.add(this.#key, timeMs, fields);
  }

  count(windowMs: number, atMs: number): number {
    return this.#open().count(windowMs, atMs);
  }

  /** Exact for integers while the sum is below 2^53; for others the exact sum, rounded. */
  sum(field: F, windowMs: number, atMs: number): number {
    return this.#open().sum(field, windowMs, atMs);
  }

  /** Arithmetic mean; 0 without events. */
  mean(field: F, windowMs: number, atMs: number): number {
    return this.#open().mean(field, windowMs, atMs);
  }

  /** Sample standard deviation (n - 1); 0 with fewer than two events. Exact sums are its base, see `Moments`. */
  deviation(field: F, windowMs: number, atMs: number): number {
    return this.#open().deviation(field, windowMs, atMs);
  }

  /** The smallest value; NaN without events. */
  min(field: F, windowMs: number, atMs: number): number {
    return this.#open().min(field, windowMs, atMs);
  }

  /** The largest value; NaN without events. */
  max(field: F, windowMs: number, atMs: number): number {
    return this.#open().max(field, windowMs, atMs);
  }

  /**
   * The smallest value that at least this share (0 to 1) of the events do not exceed: a value that occurred, 0.5 gives
   * the (lower) median, 0 the smallest, 1 the largest. NaN without events.
   */
  quantile(field: F, share: number, windowMs: number, atMs: number): number {
    return this.#open().quantile(field, share, windowMs, atMs);
  }

  /**
   * Number of different values. Exact up to the store's `distinctExactMax`; beyond it the estimate of a `HyperLogLog`,
   * with a standard error of 2.3 %.
   */
  distinct(field: F, windowMs: number, atMs: number): number {
    return this.#open().distinct(field, windowMs, atMs);
  }

  /** Number of events whose field has this value. */
  countWhere(field: F, wanted: number, windowMs: number, atMs: number): number {
    return this.#open().countWhere(field, wanted, windowMs, atMs);
  }

  /** The newest event at or before a time. */
  last(atMs: number): { readonly timeMs: number; readonly fields: Readonly<Record<F, number>> } | undefined {
    return this.#open().last(atMs);
  }

  #open(): WindowReader<F> {
    return this.#source.open(this.#key);
  }
}

/** 53 bits of a string (two 32-bit multiplicative hashes): two ids of one key meet with a probability of 1e-16 per pair. */
export function hash(text: string): number {
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x85ebca6b) ^ (high >>> 13);
  }
  high = Math.imul(high ^ (low >>> 15), 0xc2b2ae35);
  low = Math.imul(low ^ (low >>> 13), 0x5bd1e995);
  return ((high >>> 11) & 0x1fffff) * 4294967296 + (low >>> 0);
}
