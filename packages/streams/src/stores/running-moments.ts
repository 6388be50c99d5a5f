import type { IndexPart } from './key-index.ts';
import { Moments } from './moments.ts';

/** Numbers per total: sum and sum of squares, each with its low part. */
const STRIDE = 4;
/** Totals of rows that are gone are cut off once they are so many, and at least half of all. */
const CUT_TOTALS_MIN = 64;

/** The moments of any stretch of rows, as the difference of two running totals. */
export class RunningMoments implements IndexPart {
  readonly #valueAt: (position: number) => number;
  /** The i-th total is that of the rows [start, start + i). */
  #start: number;
  readonly #totals = [0, 0, 0, 0];
  readonly #before = new Moments();
  readonly #result = new Moments();

  constructor(valueAt: (position: number) => number, start: number) {
    this.#valueAt = valueAt;
    this.#start = start;
  }

  /** Over the rows [from, to). The object is the same each time. */
  between(from: number, to: number): Moments {
    this.#sumUpTo(to);
    this.#read(this.#before, from);
    this.#read(this.#result, to);
    this.#result.subtract(this.#before);
    return this.#result;
  }

  inserted(position: number): void {
    const kept = (position - this.#start + 1) * STRIDE;
    if (kept < this.#totals.length) this.#totals.length = kept;
  }

  dropping(position: number): void {
    const summed = this.#totals.length / STRIDE - 1;
    const gone = position + 1 - this.#start;
    if (gone <= summed && (gone < CUT_TOTALS_MIN || gone * 2 < summed)) return;
    this.#start = position + 1;
    this.#totals.length = STRIDE;
    this.#totals.fill(0);
  }

  #sumUpTo(to: number): void {
    const totals = this.#totals;
    let summed = this.#start + totals.length / STRIDE - 1;
    if (summed >= to) return;
    const total = this.#result;
    this.#read(total, summed);
    while (summed < to) {
      total.add(this.#valueAt(summed));
      totals.push(total.sum, total.sumLow, total.squares, total.squaresLow);
      summed += 1;
    }
  }

  #read(moments: Moments, position: number): void {
    const at = (position - this.#start) * STRIDE;
    moments.count = position - this.#start;
    moments.sum = this.#totals[at] as number;
    moments.sumLow = this.#totals[at + 1] as number;
    moments.squares = this.#totals[at + 2] as number;
    moments.squaresLow = this.#totals[at + 3] as number;
  }
}
