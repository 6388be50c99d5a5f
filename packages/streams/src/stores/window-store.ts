import { StreamsError } from '../errors.ts';
import type { StoreDefinition } from '../topology.ts';
import type { Aggregation } from '../windows/aggregations.ts';
import {
  describeWindows,
  firstOpenStartOf,
  lastStartOf,
  paneMsOf,
  type TimeWindows,
  type Window,
} from '../windows/windows.ts';
import { CellTable, NO_CELL } from './cell-table.ts';
import type { Change, StateStore } from './store.ts';

export interface WindowStoreOptions<V, R> {
  readonly windows: TimeWindows;
  readonly aggregation: Aggregation<V, R>;
  /**
   * A window closes when stream time reaches its end plus this, in milliseconds: so far behind may an event be and count.
   * After it was made longer, windows that closed shortly before the restart close again, with what is left of them.
   */
  readonly graceMs: number;
  /** Keys with an open window, per task. Reaching it is an error (`store-full`). */
  readonly keysMax: number;
}

export interface WindowResult<R> {
  readonly window: Window;
  readonly result: R;
}

/** The events of all keys in one stretch of time. */
interface Pane {
  readonly startMs: number;
  /** A cell for each key that has events in it. */
  readonly cells: number[];
}

/**
 * Tumbling and hopping windows. Time is cut into panes, which make up the windows: an event is added to one pane, and
 * the result of a window is put together from its panes when it is asked for.
 *
 * `close` gives the windows that have closed; who has no use for them need not call it. It must be called from
 * `onStreamTime`: the next `advance` drops what has closed and was not asked for. After a restore the first `advance`
 * tells the committed stream time: what had closed by then was given out before.
 */
export class WindowStore<V, R> implements StateStore {
  readonly #windows: TimeWindows;
  readonly #graceMs: number;
  readonly #paneMs: number;
  readonly #cells: CellTable<V, R>;
  /** In order of their starts. */
  readonly #panes: Pane[] = [];
  #streamTimeMs = Number.NEGATIVE_INFINITY;
  /** Start of the first open window. */
  #openStartMs = Number.NEGATIVE_INFINITY;
  /** Start of the first window that `close` has not passed; no pane lies before it. */
  #nextStartMs = Number.NEGATIVE_INFINITY;
  mutations = 0;

  constructor(name: string, { windows, aggregation, graceMs, keysMax }: WindowStoreOptions<V, R>) {
    this.#windows = windows;
    this.#graceMs = graceMs;
    this.#paneMs = paneMsOf(windows);
    const isStart = (startMs: number) => lastStartOf(this.#paneMs, startMs) === startMs;
    this.#cells = new CellTable({ name, aggregation, keysMax, columns: 0, columnsInMemory: 0, isStart });
  }

  get size(): number {
    return this.#cells.size;
  }

  get nextCloseMs(): number {
    const first = this.#panes[0];
    if (first === undefined) return Number.POSITIVE_INFINITY;
    const startMs = Math.max(this.#nextStartMs, this.#firstStartWith(first.startMs));
    return startMs + this.#windows.sizeMs + this.#graceMs;
  }

  /**
   * Adds an event, of stream time or before, to its windows; `onUpdate` gets each of them with its new result. `late`:
   * they have all closed, and nothing has changed. Of an event between, the windows that are still open get it.
   */
  add(key: string, timestampMs: number, value: V, onUpdate?: (window: Window, result: R) => void): 'added' | 'late' {
    if (!(timestampMs <= this.#streamTimeMs)) throw aheadOfStreamTime(timestampMs, this.#streamTimeMs);
    const lastStartMs = lastStartOf(this.#windows.advanceMs, timestampMs);
    if (lastStartMs < this.#openStartMs) return 'late';
    this.mutations += 1;
    const paneStartMs = lastStartOf(this.#paneMs, timestampMs);
    let cell = this.#cells.newestOf(key);
    if (cell === NO_CELL || this.#cells.startOf(cell) !== paneStartMs) cell = this.#cellAt(key, paneStartMs, cell);
    this.#cells.accumulators.add(cell, value);
    this.#cells.touch(cell);
    if (onUpdate === undefined) return 'added';
    const { sizeMs, advanceMs } = this.#windows;
    for (let startMs = this.#firstStartOf(timestampMs); startMs <= lastStartMs; startMs += advanceMs) {
      const endMs = startMs + sizeMs;
      onUpdate({ startMs, endMs }, this.#resultFrom(this.#firstCell(key, startMs), endMs));
    }
    return 'added';
  }

  /** Result of an open window; undefined when it has no event or has closed. */
  get(key: string, startMs: number): R | undefined {
    const { sizeMs, advanceMs } = this.#windows;
    if (startMs < this.#openStartMs || lastStartOf(advanceMs, startMs) !== startMs) return undefined;
    const cell = this.#firstCell(key, startMs);
    if (cell === NO_CELL || this.#cells.startOf(cell) >= startMs + sizeMs) return undefined;
    return this.#resultFrom(cell, startMs + sizeMs);
  }

  /** The open windows of a key that have events, the earliest first. */
  windowsOf(key: string): WindowResult<R>[] {
    const { sizeMs, advanceMs } = this.#windows;
    const results: WindowResult<R>[] = [];
    let startMs = Number.NEGATIVE_INFINITY;
    for (let cell = this.#cells.oldestOf(key); cell !== NO_CELL; cell = this.#cells.after(cell)) {
      const paneStartMs = this.#cells.startOf(cell);
      // The windows of this pane that no earlier pane of the key is in.
      startMs = Math.max(startMs, this.#firstStartOf(paneStartMs));
      for (; startMs <= paneStartMs; startMs += advanceMs) {
        const endMs = startMs + sizeMs;
        results.push({ window: { startMs, endMs }, result: this.#resultFrom(cell, endMs) });
      }
    }
    return results;
  }

  /**
   * Hands out every window with events that has closed since the last call, once, in order of their ends; to be called
   * with the stream time that the store was advanced to. `onClosed` must not add to this store.
   */
  close(streamTimeMs: number, onClosed: (key: string, window: Window, result: R) => void): void {
    const { sizeMs, advanceMs } = this.#windows;
    const openStartMs = firstOpenStartOf(this.#windows, this.#graceMs, streamTimeMs);
    for (let first = this.#panes[0]; first !== undefined; first = this.#panes[0]) {
      // Stream time may have passed years without an event: go to the first window that has one.
      const startMs = Math.max(this.#nextStartMs, this.#firstStartWith(first.startMs));
      if (startMs >= openStartMs) break;
      try {
        this.#closeOne({ startMs, endMs: startMs + sizeMs }, onClosed);
      } catch (error) {
        this.mutations += 1; // half of it is out: the task must be rebuilt
        throw error;
      }
      this.#passBy(startMs + advanceMs);
    }
    this.#passBy(openStartMs);
  }

  advance(streamTimeMs: number): void {
    if (!(streamTimeMs > this.#streamTimeMs)) return;
    const isFirst = this.#streamTimeMs === Number.NEGATIVE_INFINITY;
    if (isFirst) this.#layOutPanes();
    else this.#passBy(this.#openStartMs);
    this.#streamTimeMs = streamTimeMs;
    this.#openStartMs = firstOpenStartOf(this.#windows, this.#graceMs, streamTimeMs);
    if (isFirst) this.#passBy(this.#openStartMs);
  }

  /** One record per changed pane of a key: start of the pane and accumulator; see `CellTable`. */
  drainChanges(): Change[] {
    return this.#cells.drainChanges();
  }

  restore(key: string, value: Buffer | null): void {
    this.#cells.restore(key, value);
  }

  keys(limit: number): string[] {
    return this.#cells.keys(limit);
  }

  inspect(key: string): WindowResult<R>[] | undefined {
    return this.#cells.oldestOf(key) === NO_CELL ? undefined : this.windowsOf(key);
  }

  #closeOne(window: Window, onClosed: (key: string, window: Window, result: R) => void): void {
    for (const { startMs, cells } of this.#panes) {
      if (startMs >= window.endMs) return;
      for (const cell of cells) {
        // Panes before the window are gone, so the oldest cell of a key is its first one in the window.
        if (this.#cells.isOldest(cell)) onClosed(this.#cells.keyOf(cell), window, this.#resultFrom(cell, window.endMs));
      }
    }
  }

  /** No window that starts earlier will be asked for: forgets the panes that lie before. */
  #passBy(startMs: number): void {
    if (startMs > this.#nextStartMs) this.#nextStartMs = startMs;
    for (let pane = this.#panes[0]; pane !== undefined && pane.startMs < startMs; pane = this.#panes[0]) {
      for (const cell of pane.cells) this.#cells.remove(cell);
      this.#panes.shift();
    }
  }

  /** Result of the window that ends at `endMs` and in which a cell is the first of its key. */
  #resultFrom(first: number, endMs: number): R {
    const cells = this.#cells;
    const { accumulators } = cells;
    let cell = cells.after(first);
    if (cell === NO_CELL || cells.startOf(cell) >= endMs) return accumulators.result(first);
    accumulators.reset(NO_CELL);
    accumulators.merge(NO_CELL, first);
    for (; cell !== NO_CELL && cells.startOf(cell) < endMs; cell = cells.after(cell)) accumulators.merge(NO_CELL, cell);
    return accumulators.result(NO_CELL);
  }

  #firstCell(key: string, fromMs: number): number {
    let cell = this.#cells.oldestOf(key);
    while (cell !== NO_CELL && this.#cells.startOf(cell) < fromMs) cell = this.#cells.after(cell);
    return cell;
  }

  #cellAt(key: string, paneStartMs: number, newest: number): number {
    if (newest !== NO_CELL && this.#cells.startOf(newest) > paneStartMs) {
      const found = this.#firstCell(key, paneStartMs);
      if (this.#cells.startOf(found) === paneStartMs) return found;
    }
    const cell = this.#cells.create(key, paneStartMs, newest);
    this.#paneAt(paneStartMs).cells.push(cell);
    return cell;
  }

  /** Nearly always the newest, or a new one behind it. */
  #paneAt(startMs: number): Pane {
    const before = this.#panes.findLastIndex((pane) => pane.startMs <= startMs);
    const found = this.#panes[before];
    if (found?.startMs === startMs) return found;
    const pane: Pane = { startMs, cells: [] };
    this.#panes.splice(before + 1, 0, pane);
    return pane;
  }

  #layOutPanes(): void {
    for (const cell of this.#cells.cells()) this.#paneAt(this.#cells.startOf(cell)).cells.push(cell);
  }

  /** Start of the first window that a time lies in; and of the first open one. */
  #firstStartWith(timestampMs: number): number {
    const { sizeMs, advanceMs } = this.#windows;
    return lastStartOf(advanceMs, timestampMs - sizeMs) + advanceMs;
  }

  #firstStartOf(timestampMs: number): number {
    return Math.max(this.#openStartMs, this.#firstStartWith(timestampMs));
  }
}

/** Declares a store of tumbling or hopping windows of a processor. */
export function windowStore<V, R>(options: WindowStoreOptions<V, R>): StoreDefinition<WindowStore<V, R>> {
  const { windows, aggregation, graceMs, keysMax } = options;
  if (!(graceMs >= 0)) throw new StreamsError('invalid-topology', `graceMs is ${graceMs}; it must be 0 or more`);
  return {
    kind: `${describeWindows(windows)} (${aggregation.name}; grace ${graceMs} ms, at most ${keysMax} keys)`,
    create: (name) => new WindowStore(name, options),
  };
}

/** A store's window would have to be kept longer than its limits say: the programmer's error. */
export function aheadOfStreamTime(timestampMs: number, streamTimeMs: number): StreamsError {
  return new StreamsError(
    'invalid-topology',
    `an event of ${timestampMs} is ahead of stream time (${streamTimeMs}): add it with the event time of the record, or earlier`,
  );
}
