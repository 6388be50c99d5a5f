import type { EventLog } from './event-log.ts';
import type { Moments } from './moments.ts';
import { RankTree } from './rank-tree.ts';
import { RunningMoments } from './running-moments.ts';
import { SlidingRange } from './sliding-range.ts';
import { SuffixExtremes } from './suffix-extremes.ts';
import { ValueCounts } from './value-counts.ts';

/** Something that follows the rows of a key. A position counts all rows that there have been since the index was made. */
export interface IndexPart {
  /** A row has come to stand at a position; those behind it have moved on by one. */
  inserted(position: number): void;
  /** The row at a position, the oldest, is about to go. */
  dropping(position: number): void;
}

/**
 * What makes questions about a key with many events quick. Each part is made by the first question that needs it and
 * follows the rows from then on. No answer depends on whether there is an index: it is made again from the rows after a
 * restart.
 */
export class KeyIndex {
  readonly #log: EventLog;
  readonly #distinctExactMax: number;
  /** The position of row 0. */
  #base = 0;
  /** For each declared window the position of its first row, as of the newest question. */
  readonly #cursors: number[];
  readonly #parts: IndexPart[] = [];
  readonly #moments: RunningMoments[] = [];
  readonly #minima: SuffixExtremes[] = [];
  readonly #maxima: SuffixExtremes[] = [];
  /** By field and window. */
  readonly #ranks: SlidingRange<RankTree>[] = [];
  readonly #counts: SlidingRange<ValueCounts>[] = [];

  /** To be asked only while the key that is open in the log now is open. */
  constructor(log: EventLog, windows: number, distinctExactMax: number) {
    this.#log = log;
    this.#cursors = new Array<number>(windows).fill(0);
    this.#distinctExactMax = distinctExactMax;
  }

  inserted(row: number): void {
    const position = this.#base + row;
    for (let window = 0; window < this.#cursors.length; window++) {
      const cursor = this.#cursors[window] as number;
      if (position < cursor) this.#cursors[window] = cursor + 1;
    }
    for (const part of this.#parts) part.inserted(position);
  }

  /** The first row is about to go. */
  dropping(): void {
    for (const part of this.#parts) part.dropping(this.#base);
    this.#base += 1;
  }

  /** The first row after a time, for questions about one declared window: O(1) amortised while that time moves on. */
  firstAfter(window: number, timeMs: number): number {
    const log = this.#log;
    const rows = log.length;
    let row = Math.max(0, (this.#cursors[window] as number) - this.#base);
    if (row > 0 && log.timeAt(row - 1) > timeMs) return log.upperBound(timeMs); // a late question
    while (row < rows && log.timeAt(row) <= timeMs) row += 1;
    this.#cursors[window] = this.#base + row;
    return row;
  }

  /** Count, sum and deviation of a field over the rows [from, to): O(1) amortised. Valid until the next question. */
  moments(field: number, from: number, to: number): Moments {
    this.#moments[field] ??= this.#follow(new RunningMoments(this.#valuesOf(field), this.#base));
    return this.#moments[field].between(this.#base + from, this.#base + to);
  }

  /** The smallest value of a field from a row to the newest: O(log n). */
  minimum(field: number, from: number): number {
    this.#minima[field] ??= this.#follow(this.#extremesOf(field, 1));
    return this.#minima[field].from(this.#base + from);
  }

  /** The largest value of a field from a row to the newest: O(log n). */
  maximum(field: number, from: number): number {
    this.#maxima[field] ??= this.#follow(this.#extremesOf(field, -1));
    return this.#maxima[field].from(this.#base + from);
  }

  /** The values of a field over the rows [from, to) of a declared window, sorted; undefined for a late question. */
  ranks(field: number, window: number, from: number, to: number): RankTree | undefined {
    const at = field * this.#cursors.length + window;
    this.#ranks[at] ??= this.#follow(new SlidingRange(this.#valuesOf(field), new RankTree(), this.#base));
    return this.#ranks[at].between(this.#base + from, this.#base + to);
  }

  /** How often each value occurs there; undefined for a late question or when there are too many values. */
  counts(field: number, window: number, from: number, to: number): ValueCounts | undefined {
    const at = field * this.#cursors.length + window;
    this.#counts[at] ??= this.#follow(
      new SlidingRange(this.#valuesOf(field), new ValueCounts(this.#distinctExactMax), this.#base),
    );
    return this.#counts[at].between(this.#base + from, this.#base + to);
  }

  #follow<P extends IndexPart>(part: P): P {
    this.#parts.push(part);
    return part;
  }

  #extremesOf(field: number, sign: 1 | -1): SuffixExtremes {
    const extremes = new SuffixExtremes(this.#valuesOf(field), sign);
    for (let row = 0; row < this.#log.length; row++) extremes.inserted(this.#base + row);
    return extremes;
  }

  #valuesOf(field: number): (position: number) => number {
    return (position) => this.#log.fieldAt(position - this.#base, field);
  }
}
