import { StreamsError } from '../errors.ts';
import type { StoreDefinition } from '../topology.ts';
import type { Aggregation } from '../windows/aggregations.ts';
import { describeWindows, type SessionWindows, type Window } from '../windows/windows.ts';
import { CellTable, NO_CELL } from './cell-table.ts';
import type { Change, StateStore } from './store.ts';
import { TimeHeap } from './time-heap.ts';
import { aheadOfStreamTime, type WindowResult } from './window-store.ts';

export interface SessionStoreOptions<V, R> {
  readonly windows: SessionWindows;
  readonly aggregation: Aggregation<V, R>;
  /** A session closes when stream time reaches its end plus this, in milliseconds. */
  readonly graceMs: number;
  /** Keys with an open session, per task. Reaching it is an error (`store-full`). */
  readonly keysMax: number;
  /** Open sessions of one key. Reaching it is an error (`store-full`). */
  readonly sessionsPerKeyMax: number;
}

/** Gets a session that has changed, its new result, and the sessions, as they were before, that are now this one. */
export type OnSessionUpdate<R> = (window: Window, result: R, replaced: readonly Window[]) => void;

// Columns of a session.
const LAST = 0;
const QUEUED = 1;

/**
 * Session windows: `[first event, last event + gap)`. A late event may make one session of two. One that would have
 * belonged to a session that has closed begins a new one, unless that would be closed as well.
 *
 * `close` and `advance` are as in `WindowStore`.
 */
export class SessionStore<V, R> implements StateStore {
  readonly #name: string;
  readonly #options: SessionStoreOptions<V, R>;
  readonly #gapMs: number;
  readonly #cells: CellTable<V, R>;
  /**
   * Every session once, by an end that it had at some time. When that comes up, the session goes in again with the end
   * that it has now, so that an event that makes it longer costs nothing here. What has gone meanwhile is passed over.
   */
  readonly #ends = new TimeHeap();
  #streamTimeMs = Number.NEGATIVE_INFINITY;
  mutations = 0;

  constructor(name: string, options: SessionStoreOptions<V, R>) {
    this.#name = name;
    this.#options = options;
    this.#gapMs = options.windows.gapMs;
    const { aggregation, keysMax } = options;
    this.#cells = new CellTable({
      name,
      aggregation,
      keysMax,
      columns: 1,
      columnsInMemory: 1,
      isStart: () => true,
    });
  }

  get size(): number {
    return this.#cells.size;
  }

  get nextCloseMs(): number {
    return this.#ends.earliestMs + this.#options.graceMs;
  }

  /**
   * Adds an event, of stream time or before. `late`: its session would have closed already, and nothing has changed.
   * Sessions are looked at in order of their starts; with each that the event touches it becomes one, within the
   * greatest length of a session.
   */
  add(key: string, timestampMs: number, value: V, onUpdate?: OnSessionUpdate<R>): 'added' | 'late' {
    if (!(timestampMs <= this.#streamTimeMs)) throw aheadOfStreamTime(timestampMs, this.#streamTimeMs);
    const cells = this.#cells;
    const { sessionsPerKeyMax, windows } = this.#options;

    // 1. What is to become one with the event. Nothing is changed yet.
    let [first, last, open] = [timestampMs, timestampMs, 0];
    const touched: number[] = [];
    for (let cell = cells.oldestOf(key); cell !== NO_CELL; cell = cells.after(cell)) {
      if (!this.#isOpen(cell)) continue;
      open += 1;
      const [cellFirst, cellLast] = [cells.startOf(cell), cells.columnOf(cell, LAST)];
      const touches = first < cellLast + this.#gapMs && cellFirst < last + this.#gapMs;
      const length = Math.max(last, cellLast) - Math.min(first, cellFirst);
      if (!touches || length > windows.lengthMsMax) continue;
      touched.push(cell);
      first = Math.min(first, cellFirst);
      last = Math.max(last, cellLast);
    }
    const endMs = last + this.#gapMs;
    if (this.#isClosed(endMs)) return 'late';
    if (touched.length === 0 && open >= sessionsPerKeyMax) throw this.#full();

    // 2. One session of all.
    this.mutations += 1;
    const replaced = onUpdate === undefined ? [] : touched.map((cell) => this.#windowOf(cell));
    const cell = touched[0] ?? this.#create(key, timestampMs, endMs);
    for (const other of touched.slice(1)) {
      cells.accumulators.merge(cell, other);
      this.#dequeue(other);
      cells.removeRecord(other);
    }
    if (first !== cells.startOf(cell)) cells.move(cell, first);
    cells.setColumn(cell, LAST, last);
    cells.accumulators.add(cell, value);
    cells.touch(cell);
    onUpdate?.({ startMs: first, endMs }, cells.accumulators.result(cell), replaced);
    return 'added';
  }

  /** Result of the open session that starts at a time. */
  get(key: string, startMs: number): R | undefined {
    return this.windowsOf(key).find(({ window }) => window.startMs === startMs)?.result;
  }

  /** The open sessions of a key, the earliest first. */
  windowsOf(key: string): WindowResult<R>[] {
    const results: WindowResult<R>[] = [];
    for (let cell = this.#cells.oldestOf(key); cell !== NO_CELL; cell = this.#cells.after(cell)) {
      if (this.#isOpen(cell))
        results.push({ window: this.#windowOf(cell), result: this.#cells.accumulators.result(cell) });
    }
    return results;
  }

  /** Hands out every session that has closed since the last call, once, in order of their ends. */
  close(streamTimeMs: number, onClosed: (key: string, window: Window, result: R) => void): void {
    if (this.#ends.earliestMs + this.#options.graceMs > streamTimeMs) return;
    const closed = this.#takeClosed(streamTimeMs).sort((a, b) => this.#endOf(a) - this.#endOf(b));
    for (const cell of closed) {
      try {
        onClosed(this.#cells.keyOf(cell), this.#windowOf(cell), this.#cells.accumulators.result(cell));
      } catch (error) {
        this.mutations += 1; // half of it is out: the task must be rebuilt
        throw error;
      }
      this.#cells.remove(cell);
    }
  }

  advance(streamTimeMs: number): void {
    if (!(streamTimeMs > this.#streamTimeMs)) return;
    const isFirst = this.#streamTimeMs === Number.NEGATIVE_INFINITY;
    if (isFirst) for (const cell of this.#cells.cells()) this.#enqueue(cell);
    for (const cell of this.#takeClosed(isFirst ? streamTimeMs : this.#streamTimeMs)) this.#cells.remove(cell);
    this.#streamTimeMs = streamTimeMs;
  }

  /** One record per changed session: first and last event and accumulator; see `CellTable`. */
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

  #create(key: string, timestampMs: number, endMs: number): number {
    const cell = this.#cells.create(key, timestampMs, this.#cells.newestOf(key));
    this.#cells.setColumn(cell, LAST, endMs - this.#gapMs);
    this.#enqueue(cell);
    return cell;
  }

  #endOf(cell: number): number {
    return this.#cells.columnOf(cell, LAST) + this.#gapMs;
  }

  #windowOf(cell: number): Window {
    return { startMs: this.#cells.startOf(cell), endMs: this.#endOf(cell) };
  }

  #isClosed(endMs: number): boolean {
    return endMs + this.#options.graceMs <= this.#streamTimeMs;
  }

  #isOpen(cell: number): boolean {
    return !this.#isClosed(this.#endOf(cell));
  }

  #enqueue(cell: number): void {
    const endMs = this.#endOf(cell);
    this.#cells.setColumn(cell, QUEUED, endMs);
    this.#ends.push(endMs, cell);
  }

  /** The number of a session that is gone may be another's when its place in the queue comes up. */
  #dequeue(cell: number): void {
    this.#cells.setColumn(cell, QUEUED, Number.NaN);
  }

  /** Takes the sessions from the queue that have closed by a time; they are the caller's to remove. */
  #takeClosed(streamTimeMs: number): number[] {
    const closed: number[] = [];
    const byMs = streamTimeMs - this.#options.graceMs;
    for (let endMs = this.#ends.earliestMs; endMs <= byMs; endMs = this.#ends.earliestMs) {
      const cell = this.#ends.pop();
      if (this.#cells.columnOf(cell, QUEUED) !== endMs) continue;
      if (this.#endOf(cell) <= byMs) {
        this.#dequeue(cell);
        closed.push(cell);
      } else {
        this.#enqueue(cell);
      }
    }
    return closed;
  }

  #full(): StreamsError {
    const { sessionsPerKeyMax } = this.#options;
    return new StreamsError(
      'store-full',
      `store ${this.#name} holds ${sessionsPerKeyMax} open sessions of one key, its limit: raise sessionsPerKeyMax, or shorten graceMs`,
    );
  }
}

/** Declares a store of session windows of a processor. */
export function sessionStore<V, R>(options: SessionStoreOptions<V, R>): StoreDefinition<SessionStore<V, R>> {
  const { windows, aggregation, graceMs, keysMax } = options;
  if (!(graceMs >= 0)) throw new StreamsError('invalid-topology', `graceMs is ${graceMs}; it must be 0 or more`);
  return {
    kind: `${describeWindows(windows)} (${aggregation.name}; grace ${graceMs} ms, at most ${keysMax} keys)`,
    create: (name) => new SessionStore(name, options),
  };
}
