import { StreamsError } from '../errors.ts';
import type { EventLog } from './event-log.ts';

/**
 * The events of one key. Every window is `(atMs - windowMs, atMs]`: it ends at the event in question, which counts
 * once it has been added, and never sees what happened later, also when a late event asks. Times and lengths are in
 * milliseconds; `windowMs` is at most the retention of the store.
 */
export class WindowView<F extends string> {
  readonly #columns: ReadonlyMap<F, number>;
  readonly #log: () => EventLog | undefined;
  readonly #add: (timeMs: number, fields: Readonly<Record<F, number>>) => void;

  constructor(
    columns: ReadonlyMap<F, number>,
    log: () => EventLog | undefined,
    add: (timeMs: number, fields: Readonly<Record<F, number>>) => void,
  ) {
    this.#columns = columns;
    this.#log = log;
    this.#add = add;
  }

  add(timeMs: number, fields: Readonly<Record<F, number>>): void {
    this.#add(timeMs, fields);
  }

  count(windowMs: number, atMs: number): number {
    const log = this.#log();
    return log === undefined ? 0 : log.upperBound(atMs) - log.upperBound(atMs - windowMs);
  }

  sum(field: F, windowMs: number, atMs: number): number {
    const log = this.#log();
    return log === undefined ? 0 : log.sum(this.#column(field), log.upperBound(atMs - windowMs), log.upperBound(atMs));
  }

  /** Arithmetic mean; 0 without events. */
  mean(field: F, windowMs: number, atMs: number): number {
    const count = this.count(windowMs, atMs);
    return count === 0 ? 0 : this.sum(field, windowMs, atMs) / count;
  }

  /** Sample standard deviation (n - 1); 0 with fewer than two events. */
  deviation(field: F, windowMs: number, atMs: number): number {
    const count = this.count(windowMs, atMs);
    if (count < 2) return 0;
    // Two passes: with one, the squares of large amounts would cancel each other out.
    const mean = this.sum(field, windowMs, atMs) / count;
    const squares = this.#fold(field, windowMs, atMs, 0, (sum, value) => sum + (value - mean) * (value - mean));
    return Math.sqrt(squares / (count - 1));
  }

  /** The smallest value; NaN without events. */
  min(field: F, windowMs: number, atMs: number): number {
    if (this.count(windowMs, atMs) === 0) return Number.NaN;
    return this.#fold(field, windowMs, atMs, Number.POSITIVE_INFINITY, Math.min);
  }

  /** The largest value; NaN without events. */
  max(field: F, windowMs: number, atMs: number): number {
    if (this.count(windowMs, atMs) === 0) return Number.NaN;
    return this.#fold(field, windowMs, atMs, Number.NEGATIVE_INFINITY, Math.max);
  }

  /** Number of different values. */
  distinct(field: F, windowMs: number, atMs: number): number {
    const seen = new Set<number>();
    this.#fold(field, windowMs, atMs, seen, (set, value) => set.add(value));
    return seen.size;
  }

  /** Number of events whose field has this value. */
  countWhere(field: F, wanted: number, windowMs: number, atMs: number): number {
    return this.#fold(field, windowMs, atMs, 0, (count, value) => (value === wanted ? count + 1 : count));
  }

  /** The newest event at or before a time. */
  last(atMs: number): { readonly timeMs: number; readonly fields: Readonly<Record<F, number>> } | undefined {
    const log = this.#log();
    const row = log === undefined ? -1 : log.upperBound(atMs) - 1;
    if (log === undefined || row < 0) return undefined;
    const fields = {} as Record<F, number>;
    for (const [field, column] of this.#columns) fields[field] = log.fieldAt(row, column);
    return { timeMs: log.timeAt(row), fields };
  }

  #fold<T>(field: F, windowMs: number, atMs: number, initial: T, step: (result: T, value: number) => T): T {
    const log = this.#log();
    if (log === undefined) return initial;
    const column = this.#column(field);
    const to = log.upperBound(atMs);
    let result = initial;
    for (let row = log.upperBound(atMs - windowMs); row < to; row++) result = step(result, log.fieldAt(row, column));
    return result;
  }

  #column(field: F): number {
    const column = this.#columns.get(field);
    if (column === undefined) throw new StreamsError('invalid-topology', `the store has no field ${field}`);
    return column;
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
