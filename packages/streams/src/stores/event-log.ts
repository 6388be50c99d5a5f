import { BlockArena } from './block-arena.ts';

/** What stands before the rows of a block: the number of rows at the front that are gone, of those alive, then four properties. */
const GONE = 0;
const LENGTH = 1;
const TOUCHED_AT = 2;
const NEXT_SEQUENCE = 3;
const ORDERED_FROM = 4;
const LISTED_IN = 5;
const HEADER = 6;

/** Columns of a row: the event time, the sequence number (its place in the order of arrival), then the fields. */
const TIME = 0;
const SEQUENCE = 1;
const FIELDS = 2;

/** A block that is full grows by at least so many rows. */
const ROWS_MORE_MIN = 2;

const NO_PAGE = new Float64Array(HEADER);
const NO_SLOT = -1;

/**
 * The events of all keys of a store, each key's in the order of their event time: a table of doubles per key, one row
 * per event, in blocks of an arena.
 *
 * One object stands for all of them: `open` moves it to a key, and everything else is about the key that is open. Rows
 * are numbered from 0, the oldest that is alive.
 */
export class EventLog {
  readonly #arena = new BlockArena();
  readonly #stride: number;
  #slot = NO_SLOT;
  /** The page of the open key, where its block begins, and its first row; how many rows are alive. */
  #page: Float64Array = NO_PAGE;
  #block = 0;
  #start = HEADER;
  #length = 0;

  constructor(fields: number) {
    this.#stride = FIELDS + fields;
  }

  /** A new key with room for so many events; opens it and returns its slot. */
  create(rows: number): number {
    const slot = this.#arena.allocate(HEADER + rows * this.#stride);
    const header = this.#arena.offsetOf(slot);
    this.#arena.pageOf(slot).fill(0, header, header + HEADER);
    this.open(slot);
    this.touchedAtMs = Number.NEGATIVE_INFINITY;
    return slot;
  }

  open(slot: number): void {
    this.#slot = slot;
    this.#page = this.#arena.pageOf(slot);
    this.#block = this.#arena.offsetOf(slot);
    this.#start = this.#block + HEADER + (this.#page[this.#block + GONE] as number) * this.#stride;
    this.#length = this.#page[this.#block + LENGTH] as number;
  }

  /** Opens a key without events, to be read only. */
  openNone(): void {
    this.#slot = NO_SLOT;
    this.#page = NO_PAGE;
    this.#block = 0;
    this.#start = HEADER;
    this.#length = 0;
  }

  /** Forgets the open key. */
  remove(): void {
    this.#arena.free(this.#slot);
    this.openNone();
  }

  /** Memory of all keys together. */
  get bytes(): number {
    return this.#arena.bytes;
  }

  get slot(): number {
    return this.#slot;
  }

  get length(): number {
    return this.#length;
  }

  /** Stream time of the last event added. */
  get touchedAtMs(): number {
    return this.#page[this.#block + TOUCHED_AT] as number;
  }

  set touchedAtMs(streamTimeMs: number) {
    this.#page[this.#block + TOUCHED_AT] = streamTimeMs;
  }

  /** The sequence number of the next event; above that of every row. */
  get nextSequence(): number {
    return this.#page[this.#block + NEXT_SEQUENCE] as number;
  }

  set nextSequence(sequence: number) {
    this.#page[this.#block + NEXT_SEQUENCE] = sequence;
  }

  /** The commit, counted by the store, for which the newest chunk has been listed as changed. */
  get listedIn(): number {
    return this.#page[this.#block + LISTED_IN] as number;
  }

  set listedIn(commit: number) {
    this.#page[this.#block + LISTED_IN] = commit;
  }

  timeAt(row: number): number {
    return this.#page[this.#cellOf(row) + TIME] as number;
  }

  sequenceAt(row: number): number {
    return this.#page[this.#cellOf(row) + SEQUENCE] as number;
  }

  fieldAt(row: number, field: number): number {
    return this.#page[this.#cellOf(row) + FIELDS + field] as number;
  }

  setField(row: number, field: number, value: number): void {
    this.#page[this.#cellOf(row) + FIELDS + field] = value;
  }

  /** The rows are in order of arrival, too: nothing alive came late. */
  get inOrder(): boolean {
    return this.#length === 0 || this.sequenceAt(0) >= (this.#page[this.#block + ORDERED_FROM] as number);
  }

  /** The number of events at or before a time: one past the row of the last of them. */
  upperBound(timeMs: number): number {
    let low = 0;
    let high = this.#length;
    // Nearly all questions are about the newest event: look there before the bisection.
    if (high > 0 && this.timeAt(high - 1) <= timeMs) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.timeAt(middle) <= timeMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Puts an event behind all others of the same or an earlier time, and returns its row. Its fields are to be set. */
  insert(timeMs: number, sequence: number): number {
    this.reserve(1);
    const rows = this.#length;
    const row = this.upperBound(timeMs);
    const at = this.#cellOf(row);
    if (row < rows) this.#page.copyWithin(at + this.#stride, at, this.#cellOf(rows));
    this.#resize(rows + 1);
    this.#page[at + TIME] = timeMs;
    this.#page[at + SEQUENCE] = sequence;
    if (row < rows || (row > 0 && this.sequenceAt(row - 1) > sequence)) {
      // Whatever comes in order from now on has a larger number than all that there is.
      this.#page[this.#block + ORDERED_FROM] = Math.max(sequence + 1, this.nextSequence);
    }
    return row;
  }

  dropFirst(): void {
    this.#page[this.#block + GONE] = (this.#page[this.#block + GONE] as number) + 1;
    this.#start += this.#stride;
    this.#resize(this.#length - 1);
  }

  /** Takes out the rows that a test names, wherever they are. */
  dropWhere(test: (row: number) => boolean): void {
    let kept = 0;
    const rows = this.#length;
    for (let row = 0; row < rows; row++) {
      if (test(row)) continue;
      if (kept < row) this.#page.copyWithin(this.#cellOf(kept), this.#cellOf(row), this.#cellOf(row + 1));
      kept += 1;
    }
    this.#resize(kept);
  }

  /** Makes room for so many more rows. A quarter more than there are, and those that are gone give theirs. */
  reserve(more: number): void {
    const capacity = Math.floor((this.#arena.sizeOf(this.#slot) - HEADER) / this.#stride);
    const gone = this.#page[this.#block + GONE] as number;
    const rows = this.#length;
    if (gone + rows + more <= capacity) return;
    if (gone > 0) {
      this.#page.copyWithin(this.#block + HEADER, this.#start, this.#cellOf(rows));
      this.#page[this.#block + GONE] = 0;
      this.#start = this.#block + HEADER;
    }
    const wanted = rows + Math.max(more, ROWS_MORE_MIN, rows >>> 2);
    if (wanted <= capacity && capacity < 2 * wanted) return;
    this.#arena.resize(this.#slot, HEADER + wanted * this.#stride);
    this.open(this.#slot);
  }

  #resize(rows: number): void {
    this.#length = rows;
    this.#page[this.#block + LENGTH] = rows;
  }

  #cellOf(row: number): number {
    return this.#start + row * this.#stride;
  }
}
