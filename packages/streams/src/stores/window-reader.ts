import { StreamsError } from '../errors.ts';
import type { EventLog } from './event-log.ts';
import { KeyIndex } from './key-index.ts';
import type { Moments } from './moments.ts';
import { scanCount, scanDistinct, scanMaximum, scanMinimum, scanMoments, scanRank } from './window-scan.ts';

/** A key with so many events gets an index, and keeps it until it has half as many. */
const INDEX_ROWS_MIN = 64;

export interface WindowReaderOptions<F extends string> {
  readonly fields: readonly F[];
  /** Fields with running moments. */
  readonly sums: readonly F[];
  /** Lengths of the windows that are asked for again and again. */
  readonly windows: readonly number[];
  readonly distinctExactMax: number;
}

/** Answers questions about the key that is open in the log: by a look at all rows, or from an index of many. */
export class WindowReader<F extends string> {
  readonly #log: EventLog;
  readonly #columns: ReadonlyMap<F, number>;
  readonly #summed: readonly boolean[];
  readonly #windows: readonly number[];
  readonly #distinctExactMax: number;
  /** By slot. */
  readonly #indexes = new Map<number, KeyIndex>();
  // The rows of the window in question, the index of its key, and its place among the declared windows or -1.
  #from = 0;
  #to = 0;
  #index: KeyIndex | undefined;
  #window = -1;

  constructor(log: EventLog, { fields, sums, windows, distinctExactMax }: WindowReaderOptions<F>) {
    this.#log = log;
    this.#columns = new Map(fields.map((field, index) => [field, index]));
    this.#summed = fields.map((field) => sums.includes(field));
    this.#windows = windows;
    this.#distinctExactMax = distinctExactMax;
  }

  /** A row of the open key has been added. */
  inserted(row: number): void {
    if (this.#indexes.size > 0) this.#indexes.get(this.#log.slot)?.inserted(row);
  }

  /** The first row of the open key is about to go. */
  dropping(): void {
    if (this.#indexes.size === 0) return;
    if (this.#log.length <= INDEX_ROWS_MIN / 2) this.forgetIndex();
    else this.#indexes.get(this.#log.slot)?.dropping();
  }

  /** The open key has changed in another way, or is about to go. */
  forgetIndex(): void {
    this.#indexes.delete(this.#log.slot);
  }

  count(windowMs: number, atMs: number): number {
    this.#select(windowMs, atMs);
    return this.#to - this.#from;
  }

  sum(field: F, windowMs: number, atMs: number): number {
    return this.#moments(field, windowMs, atMs).sum;
  }

  mean(field: F, windowMs: number, atMs: number): number {
    const { count, sum } = this.#moments(field, windowMs, atMs);
    return count === 0 ? 0 : sum / count;
  }

  deviation(field: F, windowMs: number, atMs: number): number {
    return this.#moments(field, windowMs, atMs).deviation;
  }

  min(field: F, windowMs: number, atMs: number): number {
    const column = this.#select(windowMs, atMs, field);
    if (this.#from >= this.#to) return Number.NaN;
    if (this.#index !== undefined && this.#to === this.#log.length) return this.#index.minimum(column, this.#from);
    return scanMinimum(this.#log, column, this.#from, this.#to);
  }

  max(field: F, windowMs: number, atMs: number): number {
    const column = this.#select(windowMs, atMs, field);
    if (this.#from >= this.#to) return Number.NaN;
    if (this.#index !== undefined && this.#to === this.#log.length) return this.#index.maximum(column, this.#from);
    return scanMaximum(this.#log, column, this.#from, this.#to);
  }

  quantile(field: F, share: number, windowMs: number, atMs: number): number {
    if (!(share >= 0 && share <= 1))
      throw new StreamsError('invalid-topology', `a quantile is between 0 and 1, not ${share}`);
    const column = this.#select(windowMs, atMs, field);
    const count = this.#to - this.#from;
    if (count <= 0) return Number.NaN;
    const rank = Math.max(0, Math.ceil(share * count) - 1);
    const ranks = this.#declared()?.ranks(column, this.#window, this.#from, this.#to);
    return ranks === undefined ? scanRank(this.#log, column, rank, this.#from, this.#to) : ranks.at(rank);
  }

  distinct(field: F, windowMs: number, atMs: number): number {
    const column = this.#select(windowMs, atMs, field);
    const counts = this.#declared()?.counts(column, this.#window, this.#from, this.#to);
    if (counts !== undefined) return counts.distinct;
    return scanDistinct(this.#log, column, this.#from, this.#to, this.#distinctExactMax);
  }

  countWhere(field: F, wanted: number, windowMs: number, atMs: number): number {
    const column = this.#select(windowMs, atMs, field);
    const counts = this.#declared()?.counts(column, this.#window, this.#from, this.#to);
    return counts === undefined ? scanCount(this.#log, column, wanted, this.#from, this.#to) : counts.of(wanted);
  }

  last(atMs: number): { readonly timeMs: number; readonly fields: Record<F, number> } | undefined {
    const row = this.#log.upperBound(atMs) - 1;
    if (row < 0) return undefined;
    const fields = {} as Record<F, number>;
    for (const [field, column] of this.#columns) fields[field] = this.#log.fieldAt(row, column);
    return { timeMs: this.#log.timeAt(row), fields };
  }

  #moments(field: F, windowMs: number, atMs: number): Moments {
    const column = this.#select(windowMs, atMs, field);
    if (this.#index !== undefined && this.#summed[column] === true && this.#from < this.#to)
      return this.#index.moments(column, this.#from, this.#to);
    return scanMoments(this.#log, column, this.#from, this.#to);
  }

  /** Finds the rows of a window and the index of its key; returns the column of the field. */
  #select(windowMs: number, atMs: number, field?: F): number {
    const log = this.#log;
    this.#index = log.length < INDEX_ROWS_MIN / 2 ? undefined : this.#indexOf();
    this.#window = this.#index === undefined ? -1 : this.#windows.indexOf(windowMs);
    this.#to = log.upperBound(atMs);
    this.#from =
      this.#index !== undefined && this.#window >= 0
        ? this.#index.firstAfter(this.#window, atMs - windowMs)
        : log.upperBound(atMs - windowMs);
    const column = field === undefined ? -1 : this.#columns.get(field);
    if (column === undefined) throw new StreamsError('invalid-topology', `the store has no field ${field}`);
    return column;
  }

  #indexOf(): KeyIndex | undefined {
    const { slot, length } = this.#log;
    let index = this.#indexes.get(slot);
    if (index === undefined && length >= INDEX_ROWS_MIN) {
      index = new KeyIndex(this.#log, this.#windows.length, this.#distinctExactMax);
      this.#indexes.set(slot, index);
    }
    return index;
  }

  /** The index, when the window in question is a declared one and holds rows. */
  #declared(): KeyIndex | undefined {
    return this.#window >= 0 && this.#from < this.#to ? this.#index : undefined;
  }
}
