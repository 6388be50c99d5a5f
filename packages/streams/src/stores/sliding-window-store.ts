import { Buffer } from 'node:buffer'; // the global of that name is a getter, and this is a hot path
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
const CHUNK_EVENTS = 8;
/**
 * A key is forgotten when nothing was added for so many retentions of stream time. One would do if all events came in
 * order; a late one looks back from its own time, and the second leaves room for that.
 */
const IDLE_RETENTIONS = 2;
/** Keys looked at for idleness with every event, one after the other: the whole store once in so many events as keys. */
const KEYS_SWEPT_PER_EVENT = 2;
const CHUNK_SEPARATOR = '\u0000';
const HEADER_DOUBLES = 1;
const DOUBLE_BYTES = 8;

/** A record of the changelog: some events of one key, in order of arrival. */
interface Chunk {
  readonly number: number;
  /** The largest event time in it. */
  newestMs: number;
  /** Time and fields of each event, one after the other; gone once the chunk is full and written. */
  rows: number[] | undefined;
  /** Waits to be written. */
  dirty: boolean;
}

interface KeyState {
  readonly log: EventLog;
  /** Oldest first; the last one takes new events. */
  chunks: Chunk[];
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
  /** Chunks to write, and changelog keys of chunks to forget. */
  #dirty: { readonly key: string; readonly state: KeyState; readonly chunk: Chunk }[] = [];
  #forgotten: string[] = [];
  #streamTimeMs = Number.NEGATIVE_INFINITY;
  #sweep = this.#keys.entries();
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
      () => this.#living(key)?.log,
      (timeMs, fields) => this.#add(key, timeMs, fields),
    );
  }

  advance(streamTimeMs: number): void {
    this.#streamTimeMs = streamTimeMs;
    for (let i = 0; i < KEYS_SWEPT_PER_EVENT; i++) {
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = this.#keys.entries();
        return;
      }
      this.#forgetIfIdle(...next.value);
    }
  }

  drainChanges(): Change[] {
    const changes: Change[] = [];
    for (const { key, state, chunk } of this.#dirty) {
      if (!chunk.dirty) continue; // forgotten meanwhile
      chunk.dirty = false;
      changes.push({ key: chunkKey(key, chunk.number), value: encodeChunk(state.touchedAtMs, chunk.rows ?? []) });
      if (chunk !== state.chunks.at(-1)) chunk.rows = undefined;
    }
    for (const key of this.#forgotten) changes.push({ key, value: null });
    this.#dirty = [];
    this.#forgotten = [];
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
      (value !== null && (value.length / DOUBLE_BYTES - HEADER_DOUBLES) % rowDoubles !== 0)
    ) {
      throw new StreamsError(
        'changelog-corrupt',
        `store ${this.#name}: not a chunk of it: key ${JSON.stringify(changelogKey)}, ${value?.length ?? 0} bytes. Were its fields changed? Then reset the application's changelog.`,
      );
    }
    if (value === null) this.#restoreTombstone(key, number);
    else this.#restoreChunk(key, number, decodeDoubles(value));
  }

  #add(key: string, timeMs: number, fields: Readonly<Record<F, number>>): void {
    const { retentionMs, eventsPerKeyMax, keysMax } = this.#options;
    let state = this.#living(key);
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
    state.touchedAtMs = Math.max(state.touchedAtMs, this.#streamTimeMs);
    state.newestMs = Math.max(state.newestMs, timeMs);

    // The newest chunk takes the event; the log takes it from there.
    const chunk = this.#openChunk(state);
    const rows = chunk.rows ?? [];
    const at = rows.push(timeMs);
    for (const field of this.#options.fields) rows.push(fields[field]);
    state.log.insert(timeMs, rows, at);
    chunk.newestMs = Math.max(chunk.newestMs, timeMs);
    if (!chunk.dirty) {
      chunk.dirty = true;
      this.#dirty.push({ key, state, chunk });
    }

    // What has left the longest window, or is over the limit; then the chunks of which no event is left.
    state.log.dropUntil(state.newestMs - retentionMs);
    while (state.log.length > eventsPerKeyMax) state.log.dropFirst();
    while (state.chunks.length > 1 && (state.chunks[0]?.newestMs ?? 0) < state.log.timeAt(0)) {
      const oldest = state.chunks.shift();
      if (oldest !== undefined) this.#forget(key, oldest);
    }
  }

  /** The state of a key, unless it has been idle for too long: whether the sweep has been there makes no difference. */
  #living(key: string): KeyState | undefined {
    const state = this.#keys.get(key);
    return state === undefined || this.#forgetIfIdle(key, state) ? undefined : state;
  }

  #forgetIfIdle(key: string, state: KeyState): boolean {
    if (state.touchedAtMs + IDLE_RETENTIONS * this.#options.retentionMs > this.#streamTimeMs) return false;
    this.#keys.delete(key);
    for (const chunk of state.chunks) this.#forget(key, chunk);
    return true;
  }

  #openChunk(state: KeyState): Chunk {
    const last = state.chunks.at(-1);
    if (last?.rows !== undefined && last.rows.length < CHUNK_EVENTS * (1 + this.#options.fields.length)) return last;
    const number = last === undefined ? this.#firstChunkNumber() : last.number + 1;
    if (last !== undefined && !last.dirty) last.rows = undefined;
    const chunk: Chunk = { number, newestMs: Number.NEGATIVE_INFINITY, rows: [], dirty: false };
    state.chunks.push(chunk);
    return chunk;
  }

  /**
   * A key that went idle and comes back must not use a number again: a restore could not tell the new chunk from one
   * more version of the old. Stream time has moved on by more than chunks can have been opened meanwhile.
   */
  #firstChunkNumber(): number {
    return Number.isFinite(this.#streamTimeMs) ? Math.max(0, Math.floor(this.#streamTimeMs)) : 0;
  }

  #forget(key: string, chunk: Chunk): void {
    chunk.dirty = false;
    this.#forgotten.push(chunkKey(key, chunk.number));
  }

  #restoreChunk(key: string, number: number, doubles: readonly number[]): void {
    let state = this.#keys.get(key);
    if (state === undefined) {
      state = this.#newState();
      this.#keys.set(key, state);
    }
    state.touchedAtMs = Math.max(state.touchedAtMs, doubles[0] ?? Number.NEGATIVE_INFINITY);
    let chunk = state.chunks.at(-1);
    if (chunk?.number !== number) {
      if (chunk !== undefined) chunk.rows = undefined;
      chunk = { number, newestMs: Number.NEGATIVE_INFINITY, rows: [], dirty: false };
      state.chunks.push(chunk);
    }
    // Of an uncompacted changelog the same chunk comes again, each time with more events: only those are new.
    const rows = chunk.rows ?? [];
    const stride = 1 + this.#options.fields.length;
    for (let at = HEADER_DOUBLES + rows.length; at < doubles.length; at += stride) {
      const timeMs = doubles[at] ?? 0;
      state.log.insert(timeMs, doubles, at + 1);
      for (let column = 0; column < stride; column++) rows.push(doubles[at + column] ?? 0);
      state.newestMs = Math.max(state.newestMs, timeMs);
      chunk.newestMs = Math.max(chunk.newestMs, timeMs);
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

/** Stream time of the last event added, then time and fields of each event: little-endian doubles. */
function encodeChunk(touchedAtMs: number, rows: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe((HEADER_DOUBLES + rows.length) * DOUBLE_BYTES);
  bytes.writeDoubleLE(touchedAtMs, 0);
  for (let i = 0; i < rows.length; i++) bytes.writeDoubleLE(rows[i] ?? 0, (HEADER_DOUBLES + i) * DOUBLE_BYTES);
  return bytes;
}

function decodeDoubles(value: Buffer): number[] {
  return Array.from({ length: value.length / DOUBLE_BYTES }, (_, i) => value.readDoubleLE(i * DOUBLE_BYTES));
}

/** Declares a sliding-window store of a processor. */
export function slidingWindowStore<const F extends string>(
  options: SlidingWindowStoreOptions<F>,
): StoreDefinition<SlidingWindowStore<F>> {
  const kind = `sliding windows (${options.fields.join(', ')}; up to ${options.retentionMs} ms, ${options.eventsPerKeyMax} events per key, ${options.keysMax} keys)`;
  return { kind, create: (name) => new SlidingWindowStore(name, options) };
}
