/** Rows that have expired are cut off once they are so many, and at least half of all. */
const CUT_ROWS_MIN = 16;

/**
 * Events of one key in order of their event time: a table of doubles, one row per event.
 *
 * Columns of a row: the event time, then the fields. For fields named in `sums` a running total follows, so that the
 * sum over a window is the difference of two rows. (Exact while totals stay below 2^53: amounts are integers.)
 *
 * The table is a plain array: V8 keeps one that only ever holds doubles unboxed, and hundreds of thousands of small ones
 * cost it less than as many typed arrays, each of which has memory of its own.
 */
export class EventLog {
  readonly #fields: number;
  /** For each running total, the index of its field. */
  readonly #sums: readonly number[];
  readonly #stride: number;
  readonly #table: number[] = [];
  /** Where the first row that is alive begins. */
  #head = 0;

  constructor(fields: number, sums: readonly number[]) {
    this.#fields = fields;
    this.#sums = sums;
    this.#stride = 1 + fields + sums.length;
  }

  get length(): number {
    return (this.#table.length - this.#head) / this.#stride;
  }

  timeAt(row: number): number {
    return this.#cell(row, 0);
  }

  fieldAt(row: number, field: number): number {
    return this.#cell(row, 1 + field);
  }

  /** The number of events at or before a time: one past the row of the last of them. */
  upperBound(timeMs: number): number {
    let low = 0;
    let high = this.length;
    // Nearly all questions are about the newest event: look there before the bisection.
    if (high > 0 && this.timeAt(high - 1) <= timeMs) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.timeAt(middle) <= timeMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Sum of a field over the rows [from, to). */
  sum(field: number, from: number, to: number): number {
    if (from >= to) return 0;
    const total = this.#sums.indexOf(field);
    if (total >= 0) {
      return this.#total(to - 1, total) - (from === 0 ? this.#totalBefore(0, total) : this.#total(from - 1, total));
    }
    let sum = 0;
    for (let row = from; row < to; row++) sum += this.fieldAt(row, field);
    return sum;
  }

  /** Puts an event behind all others of the same or an earlier time. Its fields lie in `values` from `from` on. */
  insert(timeMs: number, values: readonly number[], from = 0): void {
    const row = this.upperBound(timeMs);
    const table = this.#table;
    const end = table.length;
    const at = this.#head + row * this.#stride;
    for (let i = 0; i < this.#stride; i++) table.push(0);
    if (at < end) table.copyWithin(at + this.#stride, at, end);
    table[at] = timeMs;
    for (let field = 0; field < this.#fields; field++) table[at + 1 + field] = values[from + field] ?? 0;
    for (let total = 0; total < this.#sums.length; total++) this.#addToTotals(total, row);
  }

  /** Forgets the events at or before a time. */
  dropUntil(timeMs: number): void {
    while (this.#head < this.#table.length && this.timeAt(0) <= timeMs) this.dropFirst();
  }

  dropFirst(): void {
    if (this.#head >= this.#table.length) return;
    this.#head += this.#stride;
    if (this.#head < CUT_ROWS_MIN * this.#stride || this.#head * 2 < this.#table.length) return;
    this.#table.copyWithin(0, this.#head);
    this.#table.length -= this.#head;
    this.#head = 0;
  }

  #cell(row: number, column: number): number {
    return this.#table[this.#head + row * this.#stride + column] ?? Number.NaN;
  }

  #total(row: number, total: number): number {
    return this.#cell(row, 1 + this.#fields + total);
  }

  /** The running total as it was before a row. */
  #totalBefore(row: number, total: number): number {
    return this.#total(row, total) - this.fieldAt(row, this.#sums[total] ?? 0);
  }

  /** Gives the row just inserted its running total, and adds its value to those behind it. */
  #addToTotals(total: number, row: number): void {
    const value = this.fieldAt(row, this.#sums[total] ?? 0);
    const rows = this.length;
    const before = row > 0 ? this.#total(row - 1, total) : rows > 1 ? this.#totalBefore(1, total) : 0;
    const column = 1 + this.#fields + total;
    let cell = this.#head + row * this.#stride + column;
    this.#table[cell] = before + value;
    for (cell += this.#stride; cell < this.#table.length; cell += this.#stride)
      this.#table[cell] = (this.#table[cell] ?? 0) + value;
  }
}
