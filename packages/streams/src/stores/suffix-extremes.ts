import type { IndexPart } from './key-index.ts';

/** Candidates that are gone are cut off once they are so many, and at least half of all. */
const CUT_MIN = 32;

/**
 * The smallest (sign 1) or largest (sign -1) value from any row to the newest: a monotonic stack of those rows that have
 * no value behind them that is as small. An event in order costs O(1) amortised, a question a bisection, a late event a
 * look at the candidates behind it.
 */
export class SuffixExtremes implements IndexPart {
  readonly #valueAt: (position: number) => number;
  readonly #sign: 1 | -1;
  /** From `#head` on; both ascend. */
  readonly #positions: number[] = [];
  readonly #values: number[] = [];
  #head = 0;

  /** Empty; wants to be told of all rows. */
  constructor(valueAt: (position: number) => number, sign: 1 | -1) {
    this.#valueAt = valueAt;
    this.#sign = sign;
  }

  /** NaN when there is no row from there on. */
  from(position: number): number {
    let low = this.#head;
    let high = this.#positions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#positions[middle] as number) < position) low = middle + 1;
      else high = middle;
    }
    return low === this.#positions.length ? Number.NaN : this.#sign * (this.#values[low] as number);
  }

  inserted(position: number): void {
    const value = this.#sign * this.#valueAt(position);
    let next = this.#positions.length;
    for (; next > this.#head && (this.#positions[next - 1] as number) >= position; next--)
      this.#positions[next - 1] = (this.#positions[next - 1] as number) + 1;
    if (next < this.#values.length && (this.#values[next] as number) <= value) return;
    let beaten = next;
    while (beaten > this.#head && (this.#values[beaten - 1] as number) >= value) beaten -= 1;
    if (next === this.#values.length) {
      this.#positions.length = beaten;
      this.#values.length = beaten;
      this.#positions.push(position);
      this.#values.push(value);
    } else {
      this.#positions.splice(beaten, next - beaten, position);
      this.#values.splice(beaten, next - beaten, value);
    }
  }

  dropping(position: number): void {
    if (this.#positions[this.#head] === position) this.#head += 1;
    if (this.#head < CUT_MIN || this.#head * 2 < this.#positions.length) return;
    this.#positions.splice(0, this.#head);
    this.#values.splice(0, this.#head);
    this.#head = 0;
  }
}
