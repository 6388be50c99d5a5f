import { StreamsError } from '../errors.ts';
import type { Aggregation } from '../windows/aggregations.ts';
import { type Accumulators, createAccumulators } from './accumulators.ts';
import type { Change } from './store.ts';

export interface CellTableOptions<V, R> {
  /** Name of the store, for errors. */
  readonly name: string;
  readonly aggregation: Aggregation<V, R>;
  /** Doubles of a cell beside its start that are in the changelog, and others that are not. */
  readonly columns: number;
  readonly columnsInMemory: number;
  /** Whether a cell may begin at a (finite) time; a changelog of other windows gives itself away by its starts. */
  readonly isStart: (startMs: number) => boolean;
  /** Reaching it is an error (`store-full`). */
  readonly keysMax: number;
}

/** Stands for no cell. Its accumulator is scratch. */
export const NO_CELL = 0;

const DOUBLE_BYTES = 8;
const SEPARATOR = '\u0000';
const CAPACITY_MIN = 64;
/** More records of one key than any windows make: such a number was written by something else. */
const NUMBER_MAX = 1 << 20;

/**
 * Accumulators of many keys, in flat arrays. A cell is a number: it belongs to a key, has a start and an accumulator.
 * The cells of a key form a list in order of their starts.
 *
 * In the changelog a cell is one record, key `<key>\0<number>`, where the number is the lowest that no other cell of the
 * key has. So the record of a cell that has gone is overwritten by that of a later one, and needs a tombstone only when
 * the key has no cell any more. The owner must know a cell that has gone from its columns and stream time: between two
 * cells of a key such records stay.
 */
export class CellTable<V, R> {
  readonly accumulators: Accumulators<V, R>;
  readonly #options: CellTableOptions<V, R>;
  readonly #stride: number;
  readonly #headerBytes: number;
  readonly #slots = new Map<string, number>();
  readonly #freeSlots: number[] = [];
  readonly #keys: string[] = [];
  // By slot: first and last cell, and how many numbers the changelog may hold records of.
  #oldest = new Int32Array(CAPACITY_MIN);
  #newest = new Int32Array(CAPACITY_MIN);
  #written = new Int32Array(CAPACITY_MIN);
  // By cell: its slot, the next cell of the key (or the next free cell), its number, its start and its columns.
  #slotOf = new Int32Array(CAPACITY_MIN);
  #newer = new Int32Array(CAPACITY_MIN);
  #numberOf = new Int32Array(CAPACITY_MIN);
  #columns: Float64Array;
  #cellsUsed = NO_CELL + 1;
  #freeCell = NO_CELL;
  /** Cells to write, and changelog keys to forget. */
  #dirty = new Uint8Array(CAPACITY_MIN);
  #dirtyCells: number[] = [];
  readonly #forgotten = new Set<string>();
  /** Round in which a number was last seen to be taken. */
  readonly #taken: number[] = [];
  #round = 0;

  constructor(options: CellTableOptions<V, R>) {
    this.#options = options;
    this.#stride = 1 + options.columns + options.columnsInMemory;
    this.#headerBytes = (1 + options.columns) * DOUBLE_BYTES;
    this.#columns = new Float64Array(CAPACITY_MIN * this.#stride);
    this.accumulators = createAccumulators(options.aggregation);
    this.accumulators.resize(CAPACITY_MIN);
  }

  /** Number of keys. */
  get size(): number {
    return this.#slots.size;
  }

  /** The first keys, as many as asked for. */
  keys(limit: number): string[] {
    const keys: string[] = [];
    for (const key of this.#slots.keys()) {
      if (keys.length >= limit) break;
      keys.push(key);
    }
    return keys;
  }

  oldestOf(key: string): number {
    const slot = this.#slots.get(key);
    return slot === undefined ? NO_CELL : (this.#oldest[slot] as number);
  }

  newestOf(key: string): number {
    const slot = this.#slots.get(key);
    return slot === undefined ? NO_CELL : (this.#newest[slot] as number);
  }

  /** Whether no cell of the key is before this one. */
  isOldest(cell: number): boolean {
    return this.#oldest[this.#slotOf[cell] as number] === cell;
  }

  /** The next cell of the same key. */
  after(cell: number): number {
    return this.#newer[cell] as number;
  }

  keyOf(cell: number): string {
    return this.#keys[this.#slotOf[cell] as number] as string;
  }

  startOf(cell: number): number {
    return this.#columns[cell * this.#stride] as number;
  }

  /** A column of the store's own; those in the changelog come first. */
  columnOf(cell: number, column: number): number {
    return this.#columns[cell * this.#stride + 1 + column] as number;
  }

  setColumn(cell: number, column: number, value: number): void {
    this.#columns[cell * this.#stride + 1 + column] = value;
  }

  /**
   * Adds a cell with an empty accumulator; `sibling` is another cell of the key, if it has one. A key that is new to a
   * store at its limit is an error (`store-full`).
   */
  create(key: string, startMs: number, sibling: number): number {
    const slot = sibling === NO_CELL ? this.#createSlot(key) : (this.#slotOf[sibling] as number);
    const number = this.#lowestFreeNumber(slot);
    const cell = this.#allocate(slot, number, startMs);
    this.accumulators.reset(cell);
    return cell;
  }

  /** Changes the start of a cell, and with it its place in the list. */
  move(cell: number, startMs: number): void {
    const slot = this.#slotOf[cell] as number;
    this.#unlink(cell, slot);
    this.#columns[cell * this.#stride] = startMs;
    this.#link(cell, slot);
  }

  /** The cell has changed: the next changes hold it. */
  touch(cell: number): void {
    if (this.#dirty[cell] === 1) return;
    this.#dirty[cell] = 1;
    this.#dirtyCells.push(cell);
  }

  /** Removes a cell; its record in the changelog is overwritten, or forgotten with the key. */
  remove(cell: number): void {
    const slot = this.#slotOf[cell] as number;
    this.#free(cell, slot);
    if (this.#oldest[slot] !== NO_CELL) return;
    const key = this.#keys[slot] as string;
    for (let number = 0; number < (this.#written[slot] as number); number++)
      this.#forgotten.add(changelogKey(key, number));
    this.#freeSlot(slot);
  }

  /** Removes a cell whose record would be taken for that of a living one. */
  removeRecord(cell: number): void {
    const slot = this.#slotOf[cell] as number;
    const number = this.#numberOf[cell] as number;
    if (number < (this.#written[slot] as number)) this.#forgotten.add(changelogKey(this.keyOf(cell), number));
    this.remove(cell);
  }

  /** Every cell, in no order that means anything. */
  *cells(): IterableIterator<number> {
    for (const slot of this.#slots.values())
      for (let cell = this.#oldest[slot] as number; cell !== NO_CELL; cell = this.after(cell)) yield cell;
  }

  /** Value of a change: start, the store's columns, accumulator; numbers are little-endian doubles. */
  drainChanges(): Change[] {
    const changes: Change[] = [];
    for (const cell of this.#dirtyCells) {
      if (this.#dirty[cell] === 0) continue; // gone meanwhile, or written already under its new owner
      this.#dirty[cell] = 0;
      const slot = this.#slotOf[cell] as number;
      const number = this.#numberOf[cell] as number;
      if (number >= (this.#written[slot] as number)) this.#written[slot] = number + 1;
      const key = changelogKey(this.#keys[slot] as string, number);
      if (this.#forgotten.size > 0) this.#forgotten.delete(key);
      changes.push({ key, value: this.#encode(cell) });
    }
    for (const key of this.#forgotten) changes.push({ key, value: null });
    this.#dirtyCells = [];
    this.#forgotten.clear();
    return changes;
  }

  restore(recordKey: string, value: Buffer | null): void {
    const separator = recordKey.lastIndexOf(SEPARATOR);
    const number = Number(recordKey.slice(separator + 1));
    if (separator < 0 || !Number.isInteger(number) || number < 0 || number > NUMBER_MAX)
      throw this.#corrupt(recordKey, value);
    const key = recordKey.slice(0, separator);
    let slot = this.#slots.get(key);
    const former = slot === undefined ? NO_CELL : this.#cellWith(slot, number);
    if (slot !== undefined && former !== NO_CELL) this.#free(former, slot);
    if (value === null) {
      if (slot !== undefined && this.#oldest[slot] === NO_CELL) this.#freeSlot(slot);
      return;
    }
    if (!this.#hasHeader(value)) throw this.#corrupt(recordKey, value);
    slot ??= this.#createSlot(key, Number.POSITIVE_INFINITY);
    if (number >= (this.#written[slot] as number)) this.#written[slot] = number + 1;
    const cell = this.#allocate(slot, number, value.readDoubleLE(0));
    for (let column = 0; column < this.#options.columns; column++)
      this.setColumn(cell, column, value.readDoubleLE((1 + column) * DOUBLE_BYTES));
    try {
      this.accumulators.decode(cell, value, this.#headerBytes);
    } catch (error) {
      throw this.#corrupt(recordKey, value, error);
    }
  }

  #hasHeader(value: Buffer): boolean {
    if (value.length < this.#headerBytes || !this.#options.isStart(value.readDoubleLE(0))) return false;
    for (let at = 0; at < this.#headerBytes; at += DOUBLE_BYTES)
      if (!Number.isFinite(value.readDoubleLE(at))) return false;
    return true;
  }

  #encode(cell: number): Buffer {
    const value = this.accumulators.encode(cell, this.#headerBytes);
    value.writeDoubleLE(this.startOf(cell), 0);
    for (let column = 0; column < this.#options.columns; column++)
      value.writeDoubleLE(this.columnOf(cell, column), (1 + column) * DOUBLE_BYTES);
    return value;
  }

  #corrupt(recordKey: string, value: Buffer | null, cause?: unknown): StreamsError {
    return new StreamsError(
      'changelog-corrupt',
      `store ${this.#options.name}: not a record of it: key ${JSON.stringify(recordKey)}, ${value?.length ?? 0} bytes. Were its windows or aggregations changed? Then reset the application's changelog.`,
      { cause },
    );
  }

  #cellWith(slot: number, number: number): number {
    let cell = this.#oldest[slot] as number;
    while (cell !== NO_CELL && this.#numberOf[cell] !== number) cell = this.after(cell);
    return cell;
  }

  #lowestFreeNumber(slot: number): number {
    this.#round += 1;
    for (let cell = this.#oldest[slot] as number; cell !== NO_CELL; cell = this.after(cell))
      this.#taken[this.#numberOf[cell] as number] = this.#round;
    let number = 0;
    while (this.#taken[number] === this.#round) number += 1;
    return number;
  }

  #createSlot(key: string, keysMax = this.#options.keysMax): number {
    if (this.#slots.size >= keysMax)
      throw new StreamsError(
        'store-full',
        `store ${this.#options.name} holds ${keysMax} keys, its limit: raise keysMax, shorten its windows or graceMs, or use more partitions`,
      );
    const slot = this.#freeSlots.pop() ?? this.#slots.size;
    if (slot >= this.#oldest.length) {
      this.#oldest = grown(this.#oldest);
      this.#newest = grown(this.#newest);
      this.#written = grown(this.#written);
    }
    this.#slots.set(key, slot);
    this.#keys[slot] = key;
    this.#written[slot] = 0;
    return slot;
  }

  #freeSlot(slot: number): void {
    this.#slots.delete(this.#keys[slot] as string);
    this.#keys[slot] = '';
    this.#freeSlots.push(slot);
  }

  #allocate(slot: number, number: number, startMs: number): number {
    let cell = this.#freeCell;
    if (cell !== NO_CELL) {
      this.#freeCell = this.after(cell);
    } else {
      cell = this.#cellsUsed;
      this.#cellsUsed += 1;
      if (cell >= this.#slotOf.length) this.#growCells();
    }
    this.#slotOf[cell] = slot;
    this.#columns[cell * this.#stride] = startMs;
    this.#numberOf[cell] = number;
    this.#link(cell, slot);
    return cell;
  }

  #growCells(): void {
    this.#slotOf = grown(this.#slotOf);
    this.#newer = grown(this.#newer);
    this.#numberOf = grown(this.#numberOf);
    this.#dirty = grown(this.#dirty);
    this.#columns = grown(this.#columns);
    this.accumulators.resize(this.#slotOf.length);
  }

  #free(cell: number, slot: number): void {
    this.#unlink(cell, slot);
    this.accumulators.release(cell);
    this.#dirty[cell] = 0;
    this.#newer[cell] = this.#freeCell;
    this.#freeCell = cell;
  }

  /** Nearly always a cell is the newest of its key. */
  #link(cell: number, slot: number): void {
    const startMs = this.startOf(cell);
    const newest = this.#newest[slot] as number;
    let before = NO_CELL;
    if (newest !== NO_CELL && this.startOf(newest) <= startMs) before = newest;
    else
      for (
        let next = this.#oldest[slot] as number;
        next !== NO_CELL && this.startOf(next) <= startMs;
        next = this.after(next)
      )
        before = next;
    const after = before === NO_CELL ? (this.#oldest[slot] as number) : this.after(before);
    this.#newer[cell] = after;
    if (before === NO_CELL) this.#oldest[slot] = cell;
    else this.#newer[before] = cell;
    if (after === NO_CELL) this.#newest[slot] = cell;
  }

  /** Nearly always a cell that goes is the oldest of its key. */
  #unlink(cell: number, slot: number): void {
    let before = NO_CELL;
    for (let next = this.#oldest[slot] as number; next !== cell; next = this.after(next)) before = next;
    const after = this.after(cell);
    if (before === NO_CELL) this.#oldest[slot] = after;
    else this.#newer[before] = after;
    if (after === NO_CELL) this.#newest[slot] = before;
  }
}

const changelogKey = (key: string, number: number): string => `${key}${SEPARATOR}${number}`;

/** Twice as long, with the same content. */
function grown<T extends Int32Array | Uint8Array | Float64Array>(array: T): T {
  const larger = new (array.constructor as new (length: number) => T)(array.length * 2);
  larger.set(array);
  return larger;
}
