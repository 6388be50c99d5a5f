/** Events of one key in order of their event time: a table of doubles, one row per event, growing as it needs. */
const ROWS_INITIAL = 4;

/**
 * Columns of a row: the event time, then the fields. For fields named in `sums` a running total follows, so that the
 * sum over a window is the difference of two rows. (Exact while totals stay below 2^53: amounts are integers.)
 */
export class EventLog {
  readonly #fields: number;
  /** For each running total, the index of its field. */
  readonly #sums: readonly number[];
  readonly #stride: number;
  #table: Float64Array;
  /** The first row that is alive, and one past the last. */
  #head = 0;
  #tail = 0;

  constructor(fields: number, sums: readonly number[]) {
    this.#fields = fields;
    this.#sums = sums;
    this.#stride = 1 + fields + sums.length;
    this.#table = new Float64Array(ROWS_INITIAL * this.#stride);
  }

  get length(): number {
    return this.#tail - this.#head;
  }

  timeAt(row: number): number {
    return this.#table[(this.#head + row) * this.#stride] ?? Number.NaN;
  }

  fieldAt(row: number, field: number): number {
    return this.#table[(this.#head + row) * this.#stride + 1 + field] ?? Number.NaN;
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
    if (total >= 0)
      return this.#total(to - 1, total) - (from === 0 ? this.#totalBefore(total) : this.#total(from - 1, total));
    let sum = 0;
    for (let row = from; row < to; row++) sum += this.fieldAt(row, field);
    return sum;
  }

  /** Puts an event behind all others of the same or an earlier time. Its fields lie in `values` from `from` on. */
  insert(timeMs: number, values: ArrayLike<number>, from = 0): void {
    if ((this.#tail + 1) * this.#stride > this.#table.length) this.#makeRoom();
    const row = this.upperBound(timeMs);
    const at = (this.#head + row) * this.#stride;
    if (row < this.length) this.#table.copyWithin(at + this.#stride, at, this.#tail * this.#stride);
    this.#tail += 1;
    this.#table[at] = timeMs;
    for (let field = 0; field < this.#fields; field++) this.#table[at + 1 + field] = values[from + field] ?? 0;
    for (let total = 0; total < this.#sums.length; total++) this.#addToTotals(total, row);
  }

  /** Forgets the events at or before a time; returns how many. */
  dropUntil(timeMs: number): number {
    let dropped = 0;
    while (this.#head < this.#tail && this.timeAt(0) <= timeMs) {
      this.#head += 1;
      dropped += 1;
    }
    return dropped;
  }

  dropFirst(): void {
    if (this.#head < this.#tail) this.#head += 1;
  }

  /** Gives the row just inserted its running total, and adds its value to those behind it. */
  #addToTotals(total: number, row: number): void {
    const field = this.#sums[total] ?? 0;
    const value = this.fieldAt(row, field);
    const before =
      row > 0 ? this.#total(row - 1, total) : this.length > 1 ? this.#total(1, total) - this.fieldAt(1, field) : 0;
    const column = 1 + this.#fields + total;
    this.#table[(this.#head + row) * this.#stride + column] = before + value;
    for (let later = row + 1; later < this.length; later++) {
      const cell = (this.#head + later) * this.#stride + column;
      this.#table[cell] = (this.#table[cell] ?? 0) + value;
    }
  }

  #total(row: number, total: number): number {
    return this.#table[(this.#head + row) * this.#stride + 1 + this.#fields + total] ?? Number.NaN;
  }

  /** The running total before the first row that is alive. */
  #totalBefore(total: number): number {
    return this.#total(0, total) - this.fieldAt(0, this.#sums[total] ?? 0);
  }

  #makeRoom(): void {
    const alive = this.#table.subarray(this.#head * this.#stride, this.#tail * this.#stride);
    const rows = this.length;
    // At least half of the table has expired: move down instead of growing.
    if (this.#head >= rows && this.#head > 0) {
      this.#table.copyWithin(0, this.#head * this.#stride, this.#tail * this.#stride);
    } else {
      const larger = new Float64Array(Math.max(ROWS_INITIAL, rows * 2) * this.#stride);
      larger.set(alive);
      this.#table = larger;
    }
    this.#head = 0;
    this.#tail = rows;
  }
}
