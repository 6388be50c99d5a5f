import { StreamsError } from '../errors.ts';
import type { StoreDefinition } from '../topology.ts';
import { EventLog } from './event-log.ts';
import type { Change, StateStore } from './store.ts';
import { WindowView } from './window-view.ts';

export interface SlidingWindowStoreOptions<F extends string> {
  /** What is kept of each event, all numbers; `hash` makes one of an id. */
  readonly fields: readonly F[];
  /** Fields whose sum or mean is asked for often: answered from running totals, in O(log n) instead of O(n). */
  readonly sums?: readonly F[];
  /** The longest window that will be asked for. Older events are forgotten, counted from the newest of the same key. */
  readonly retentionMs: number;
  /** Events kept per key; over it the oldest go before their time. */
  readonly eventsPerKeyMax: number;
  /** Keys per task. Reaching it is an error (`store-full`). */
  readonly keysMax: number;
}

/** Events per changelog record. More make fewer tombstones, fewer make less to write again for each event. */
const CHUNK_EVENTS = 16;
/**
 * A key is forgotten when nothing was added for so many retentions of stream time. One would do if all events came in
 * order; a late one looks back from its own time, and the second leaves room for that.
 */
const IDLE_RETENTIONS = 2;
/** Idle keys are looked for each time stream time has moved on by this share of the retention. */
const SWEEPS_PER_RETENTION = 24;
const CHUNK_SEPARATOR = '\u0000';
const HEADER_DOUBLES = 1;

interface KeyState {
  readonly log: EventLog;
  /** Chunks in the changelog, oldest first: number and the largest event time in it. */
  chunks: { number: number; newestMs: number }[];
  /** Events of the newest chunk as they arrived: time and fields of each, one after the other. */
  open: number[];
  newestMs: number;
  /** Stream time of the last event added. */
  touchedAtMs: number;
}

/**
 * True per-event sliding windows. In memory the events of a key lie in time order; in the changelog they lie in chunks
 * of `CHUNK_EVENTS` in order of arrival, key `<key>\0<chunk number>`: an event rewrites the newest chunk only, and a
 * chunk is forgotten (tombstone) when its last event has expired.
 */
export class SlidingWindowStore<F extends string> implements StateStore {
  readonly #name: string;
  readonly #options: SlidingWindowStoreOptions<F>;
  readonly #columns: ReadonlyMap<F, number>;
  readonly #sums: readonly number[];
  readonly #keys = new Map<string, KeyState>();
  /** Changelog keys: of chunks to write, with the key they belong to; of chunks to forget. */
  readonly #dirty = new Map<string, KeyState>();
  readonly #forgotten = new Set<string>();
  #streamTimeMs = Number.NEGATIVE_INFINITY;
  #sweepAtMs = Number.NEGATIVE_INFINITY;
  mutations = 0;

  constructor(name: string, options: SlidingWindowStoreOptions<F>) {
    this.#name = name;
    this.#options = options;
    this.#columns = new Map(options.fields.map((field, index) => [field, index]));
    this.#sums = (options.sums ?? []).map((field) => this.#column(field));
  }

  get size(): number {
    return this.#keys.size;
  }

  window(key: string): WindowView<F> {
    return new WindowView(
      this.#columns,
      () => this.#keys.get(key)?.log,
      (timeMs, fields) => this.#add(key, timeMs, fields),
    );
  }

  advance(streamTimeMs: number): void {
    this.#streamTimeMs = streamTimeMs;
    if (streamTimeMs < this.#sweepAtMs) return;
    const { retentionMs } = this.#options;
    this.#sweepAtMs = streamTimeMs + retentionMs / SWEEPS_PER_RETENTION;
    for (const [key, state] of this.#keys) {
      if (state.touchedAtMs + IDLE_RETENTIONS * retentionMs > streamTimeMs) continue;
      this.#keys.delete(key);
      for (const { number } of state.chunks) this.#forget(chunkKey(key, number));
    }
  }

  drainChanges(): Change[] {
    const changes: Change[] = [];
    for (const [key, state] of this.#dirty) changes.push({ key, value: encodeChunk(state) });
    for (const key of this.#forgotten) changes.push({ key, value: null });
    this.#dirty.clear();
    this.#forgotten.clear();
    return changes;
  }

  restore(changelogKey: string, value: Buffer | null): void {
    const separator = changelogKey.lastIndexOf(CHUNK_SEPARATOR);
    const key = changelogKey.slice(0, separator);
    const number = Number(changelogKey.slice(separator + 1));
    const rowDoubles = 1 + this.#options.fields.length;
    if (
      separator < 0 ||
      !Number.isSafeInteger(number) ||
      (value !== null && (value.length / 8 - HEADER_DOUBLES) % rowDoubles !== 0)
    ) {
      throw new StreamsError(
        'changelog-corrupt',
        `store ${this.#name}: not a chunk of it: key ${JSON.stringify(changelogKey)}, ${value?.length ?? 0} bytes. Were its fields changed? Then reset the application's changelog.`,
      );
    }
    if (value === null) this.#restoreTombstone(key, number);
    else this.#restoreChunk(key, number, value, rowDoubles);
  }

  #add(key: string, timeMs: number, fields: Readonly<Record<F, number>>): void {
    const { retentionMs, eventsPerKeyMax, keysMax } = this.#options;
    let state = this.#keys.get(key);
    if (state === undefined) {
      if (this.#keys.size >= keysMax)
        throw new StreamsError(
          'store-full',
          `store ${this.#name} holds ${keysMax} keys, its limit: raise keysMax or use more partitions`,
        );
      state = this.#newState();
      this.#keys.set(key, state);
    }
    this.mutations += 1;
    const values = this.#options.fields.map((field) => fields[field]);
    state.touchedAtMs = Math.max(state.touchedAtMs, this.#streamTimeMs);
    state.log.insert(timeMs, values);
    state.newestMs = Math.max(state.newestMs, timeMs);

    // The changelog: open a new chunk when the last one is full.
    let chunk = state.chunks.at(-1);
    if (chunk === undefined || state.open.length === CHUNK_EVENTS * (1 + values.length)) {
      chunk = { number: chunk === undefined ? this.#firstChunkNumber() : chunk.number + 1, newestMs: timeMs };
      state.chunks.push(chunk);
      state.open = []; // the full chunk keeps its array until it has been drained
    }
    state.open.push(timeMs, ...values);
    chunk.newestMs = Math.max(chunk.newestMs, timeMs);
    this.#markDirty(key, state, chunk.number);

    // What has left the longest window, or is over the limit; then the chunks of which no event is left.
    state.log.dropUntil(state.newestMs - retentionMs);
    while (state.log.length > eventsPerKeyMax) state.log.dropFirst();
    while (state.chunks.length > 1 && (state.chunks[0]?.newestMs ?? 0) < state.log.timeAt(0)) {
      const oldest = state.chunks.shift();
      if (oldest !== undefined) this.#forget(chunkKey(key, oldest.number));
    }
  }

  #markDirty(key: string, state: KeyState, number: number): void {
    this.#dirty.set(chunkKey(key, number), { ...state, open: state.open });
  }

  /**
   * A key that went idle and comes back must not use a number again: a restore could not tell the new chunk from one
   * more version of the old. Stream time has moved on by more than chunks can have been opened meanwhile.
   */
  #firstChunkNumber(): number {
    return Number.isFinite(this.#streamTimeMs) ? Math.max(0, Math.floor(this.#streamTimeMs)) : 0;
  }

  #forget(changelogKey: string): void {
    this.#dirty.delete(changelogKey);
    this.#forgotten.add(changelogKey);
  }

  #restoreChunk(key: string, number: number, value: Buffer, rowDoubles: number): void {
    let state = this.#keys.get(key);
    if (state === undefined) {
      state = this.#newState();
      this.#keys.set(key, state);
    }
    state.touchedAtMs = Math.max(state.touchedAtMs, value.readDoubleBE(0));
    const known = state.chunks.at(-1)?.number === number;
    // Of an uncompacted changelog the same chunk comes again, each time with more events: only those are new.
    const from = known ? state.open.length : 0;
    if (!known) {
      state.chunks.push({ number, newestMs: Number.NEGATIVE_INFINITY });
      state.open = [];
    }
    const chunk = state.chunks.at(-1);
    for (let at = from; at < value.length / 8 - HEADER_DOUBLES; at += rowDoubles) {
      const row = Array.from({ length: rowDoubles }, (_, i) => value.readDoubleBE((HEADER_DOUBLES + at + i) * 8));
      const timeMs = row[0] ?? 0;
      state.open.push(...row);
      state.log.insert(timeMs, row.slice(1));
      state.newestMs = Math.max(state.newestMs, timeMs);
      if (chunk !== undefined) chunk.newestMs = Math.max(chunk.newestMs, timeMs);
    }
    state.log.dropUntil(state.newestMs - this.#options.retentionMs);
    while (state.log.length > this.#options.eventsPerKeyMax) state.log.dropFirst();
  }

  /** Chunks are forgotten oldest first, or all of a key that went idle. */
  #restoreTombstone(key: string, number: number): void {
    const state = this.#keys.get(key);
    if (state === undefined) return;
    state.chunks = state.chunks.filter((chunk) => chunk.number !== number);
    if (state.chunks.length === 0) this.#keys.delete(key);
  }

  #newState(): KeyState {
    return {
      log: new EventLog(this.#options.fields.length, this.#sums),
      chunks: [],
      open: [],
      newestMs: Number.NEGATIVE_INFINITY,
      touchedAtMs: Number.NEGATIVE_INFINITY,
    };
  }

  #column(field: F): number {
    const index = this.#columns.get(field);
    if (index === undefined) throw new StreamsError('invalid-topology', `store ${this.#name} has no field ${field}`);
    return index;
  }
}

const chunkKey = (key: string, number: number): string => `${key}${CHUNK_SEPARATOR}${number}`;

/** Stream time of the last event added, then time and fields of each event: big-endian doubles. */
function encodeChunk({ touchedAtMs, open }: KeyState): Buffer {
  const bytes = Buffer.allocUnsafe((HEADER_DOUBLES + open.length) * 8);
  bytes.writeDoubleBE(touchedAtMs, 0);
  for (let i = 0; i < open.length; i++) bytes.writeDoubleBE(open[i] ?? 0, (HEADER_DOUBLES + i) * 8);
  return bytes;
}

/** Declares a sliding-window store of a processor. */
export function slidingWindowStore<const F extends string>(
  options: SlidingWindowStoreOptions<F>,
): StoreDefinition<SlidingWindowStore<F>> {
  const kind = `sliding windows (${options.fields.join(', ')}; up to ${options.retentionMs} ms, ${options.eventsPerKeyMax} events per key, ${options.keysMax} keys)`;
  return { kind, create: (name) => new SlidingWindowStore(name, options) };
}
