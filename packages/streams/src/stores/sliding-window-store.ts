import { Buffer } from 'node:buffer';
import { StreamsError } from '../errors.ts';
import type { StoreDefinition } from '../topology.ts';
import { ChunkCodec, chunkKey, chunkOf, firstOfChunk, parseChunkKey } from './event-chunk.ts';
import { EventLog } from './event-log.ts';
import type { Change, StateStore } from './store.ts';
import { WindowReader } from './window-reader.ts';
import { WindowView } from './window-view.ts';

export interface SlidingWindowStoreOptions<F extends string> {
  /** What is kept of each event, all finite numbers; `hash` makes one of an id. */
  readonly fields: readonly F[];
  /** Fields whose sum, mean or deviation is asked for often: a key with many events keeps running totals of them. */
  readonly sums?: readonly F[];
  /** Lengths of the windows that are asked for often, in milliseconds: a key with many events moves along with them. */
  readonly windows?: readonly number[];
  /** The longest window that will be asked for. Older events are forgotten, counted from the newest of the same key. */
  readonly retentionMs: number;
  /** Events kept per key; over it the oldest go before their time. */
  readonly eventsPerKeyMax: number;
  /** Keys per task. Reaching it is an error (`store-full`). */
  readonly keysMax: number;
  /** Up to so many different values `distinct` is exact, beyond them an estimate. By default it is exact always. */
  readonly distinctExactMax?: number;
}

/**
 * A key is forgotten when nothing was added for so many retentions of stream time. One would do if all events came in
 * order; a late one looks back from its own time, and the second leaves room for that.
 */
const IDLE_RETENTIONS = 2;
/** Events of a key that are shown to a person who looks into the store. */
const INSPECTED_EVENTS_MAX = 100;
/** Keys looked at for idleness with every event, one after the other: the whole store once in so many events as keys. */
const KEYS_SWEPT_PER_EVENT = 2;

/**
 * True per-event sliding windows. In memory the events of a key lie in time order; in the changelog they lie in chunks
 * of `CHUNK_EVENTS` in order of arrival, key `<key>\0<chunk number>`: an event rewrites the newest chunk only, and an
 * older chunk is forgotten (tombstone) when its last event has gone.
 *
 * Memory: 64 bytes per key, 16 + 8 per field for each event, a quarter on top for growth, and the key itself (about 80
 * bytes). A key with many events also has an index, made by the questions that are asked.
 */
export class SlidingWindowStore<F extends string> implements StateStore {
  readonly #name: string;
  readonly #options: SlidingWindowStoreOptions<F>;
  readonly #slots = new Map<string, number>();
  readonly #log: EventLog;
  readonly #reader: WindowReader<F>;
  readonly #codec: ChunkCodec;
  /** The key that is open in the log, if it is known to be alive at this stream time. */
  #openKey: string | undefined;
  /** Chunks to write, and changelog keys of chunks to forget. */
  #changed: { readonly key: string; readonly chunk: number }[] = [];
  #forgotten: string[] = [];
  /** Counts calls of `drainChanges`, from 1. */
  #commit = 1;
  #streamTimeMs = Number.NEGATIVE_INFINITY;
  #sweep = this.#slots.entries();
  mutations = 0;

  constructor(name: string, options: SlidingWindowStoreOptions<F>) {
    checkOptions(name, options);
    this.#name = name;
    this.#options = options;
    this.#log = new EventLog(options.fields.length);
    this.#reader = new WindowReader(this.#log, {
      fields: options.fields,
      sums: options.sums ?? [],
      windows: options.windows ?? [],
      distinctExactMax: options.distinctExactMax ?? Number.POSITIVE_INFINITY,
    });
    this.#codec = new ChunkCodec(options.fields.length);
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Memory of the events in bytes, without that of keys and indexes. */
  get bytes(): number {
    return this.#log.bytes;
  }

  window(key: string): WindowView<F> {
    return new WindowView(this, key);
  }

  /** For views. */
  open(key: string): WindowReader<F> {
    if (!this.#openLiving(key)) this.#log.openNone();
    return this.#reader;
  }

  /** For views. */
  add(key: string, timeMs: number, fields: Readonly<Record<F, number>>): void {
    const log = this.#log;
    const isNew = !this.#openLiving(key);
    if (isNew) this.#create(key);
    this.mutations += 1;
    log.touchedAtMs = Math.max(log.touchedAtMs, this.#streamTimeMs);

    const sequence = log.nextSequence;
    const chunk = chunkOf(sequence);
    log.nextSequence = sequence + 1;
    const row = log.insert(timeMs, sequence);
    for (let field = 0; field < this.#options.fields.length; field++)
      log.setField(row, field, fields[this.#options.fields[field] as F]);
    this.#reader.inserted(row);

    if (sequence === firstOfChunk(chunk)) {
      log.listedIn = 0;
      if (!isNew) this.#forgetIfDead(key, chunk - 1);
    }
    if (log.listedIn !== this.#commit) {
      log.listedIn = this.#commit;
      this.#changed.push({ key, chunk });
    }
    while (this.#isOver()) {
      const oldest = chunkOf(log.sequenceAt(0));
      this.#reader.dropping();
      log.dropFirst();
      this.#forgetIfDead(key, oldest);
    }
  }

  /** The newest events of a key, newest first, with their fields. */
  inspect(key: string): unknown {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    const log = this.#log;
    this.#openKey = undefined;
    log.open(slot);
    if (this.#isIdle()) return undefined;
    const first = Math.max(0, log.length - INSPECTED_EVENTS_MAX);
    const newest = Array.from({ length: log.length - first }, (_, i) => {
      const row = log.length - 1 - i;
      const fields = this.#options.fields.map((field, column) => [field, log.fieldAt(row, column)]);
      return { timeMs: log.timeAt(row), ...Object.fromEntries(fields) };
    });
    return { events: log.length, touchedAtMs: log.touchedAtMs, newest };
  }

  keys(limit: number): string[] {
    const keys: string[] = [];
    for (const key of this.#slots.keys()) {
      if (keys.length >= limit) break;
      keys.push(key);
    }
    return keys;
  }

  advance(streamTimeMs: number): void {
    this.#streamTimeMs = streamTimeMs;
    this.#openKey = undefined;
    for (let i = 0; i < KEYS_SWEPT_PER_EVENT; i++) {
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = this.#slots.entries();
        return;
      }
      const [key, slot] = next.value;
      this.#log.open(slot);
      this.#forgetIfIdle(key);
    }
  }

  drainChanges(): Change[] {
    this.#openKey = undefined;
    const changes: Change[] = this.#forgotten.map((key) => ({ key, value: null }));
    for (const { key, chunk } of this.#changed) {
      const slot = this.#slots.get(key);
      if (slot === undefined) continue; // forgotten meanwhile
      this.#log.open(slot);
      const value = this.#codec.encode(this.#log, chunk);
      if (value !== undefined) changes.push({ key: chunkKey(key, chunk), value });
    }
    this.#changed = [];
    this.#forgotten = [];
    this.#commit += 1;
    return changes;
  }

  restore(changelogKey: string, value: Buffer | null): void {
    const parsed = parseChunkKey(changelogKey);
    if (parsed === undefined || (value !== null && !this.#codec.decode(value))) {
      throw new StreamsError(
        'changelog-corrupt',
        `store ${this.#name}: not a chunk of it: key ${JSON.stringify(changelogKey)}, ${value?.length ?? 0} bytes. Were its fields changed, or is it of the layout before chunks had a version? Then reset the application's changelog.`,
      );
    }
    const { key, chunk } = parsed;
    this.#openKey = undefined;
    const slot = this.#slots.get(key);
    if (slot !== undefined) this.#log.open(slot);
    if (value !== null) this.#restoreChunk(key, slot === undefined, chunk);
    else if (slot !== undefined) this.#restoreTombstone(key, chunk);
  }

  /** Opens a key unless it has been idle for too long: whether the sweep has been there makes no difference. */
  #openLiving(key: string): boolean {
    if (key === this.#openKey) return true;
    this.#openKey = undefined;
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.#log.open(slot);
    if (this.#forgetIfIdle(key)) return false;
    this.#openKey = key;
    return true;
  }

  /**
   * A key that went idle and comes back must not use a chunk number again: a restore could not tell the new chunk from
   * one more version of the old. Stream time has moved on by more than chunks can have been begun meanwhile.
   */
  #create(key: string): void {
    const { keysMax } = this.#options;
    if (this.#slots.size >= keysMax) {
      throw new StreamsError(
        'store-full',
        `store ${this.#name} holds ${keysMax} keys, its limit: raise keysMax or use more partitions`,
      );
    }
    this.#slots.set(key, this.#log.create(1));
    this.#openKey = key;
    this.#log.nextSequence = firstOfChunk(Math.max(0, Math.floor(this.#streamTimeMs)));
  }

  /** The oldest event of the open key has left the longest window, or is over the limit. The newest always stays. */
  #isOver(): boolean {
    const { retentionMs, eventsPerKeyMax } = this.#options;
    const { length } = this.#log;
    return length > eventsPerKeyMax || this.#log.timeAt(0) <= this.#log.timeAt(length - 1) - retentionMs;
  }

  #isIdle(): boolean {
    // Not so before the first event of the task: then the difference is NaN.
    return this.#streamTimeMs - this.#log.touchedAtMs >= IDLE_RETENTIONS * this.#options.retentionMs;
  }

  #forgetIfIdle(key: string): boolean {
    if (!this.#isIdle()) return false;
    const log = this.#log;
    const chunks = new Set([chunkOf(log.nextSequence - 1)]);
    for (let row = 0; row < log.length; row++) chunks.add(chunkOf(log.sequenceAt(row)));
    for (const chunk of chunks) this.#forgotten.push(chunkKey(key, chunk));
    this.#remove(key);
    return true;
  }

  #remove(key: string): void {
    this.#reader.forgetIndex();
    this.#log.remove();
    this.#slots.delete(key);
  }

  /** Forgets a chunk of the open key when it can take no more events and none of its events is alive. */
  #forgetIfDead(key: string, chunk: number): void {
    const log = this.#log;
    if (chunk === chunkOf(log.nextSequence - 1) || this.#isAlive(chunk)) return;
    this.#forgotten.push(chunkKey(key, chunk));
  }

  #isAlive(chunk: number): boolean {
    const log = this.#log;
    if (log.inOrder) return chunkOf(log.sequenceAt(0)) <= chunk;
    for (let row = 0; row < log.length; row++) if (chunkOf(log.sequenceAt(row)) === chunk) return true;
    return false;
  }

  /** Of an uncompacted changelog the same chunk comes again and again: only events not yet seen are added. */
  #restoreChunk(key: string, isNew: boolean, chunk: number): void {
    const codec = this.#codec;
    const log = this.#log;
    if (isNew) {
      this.#slots.set(compact(key), log.create(codec.rows));
      log.nextSequence = firstOfChunk(chunk);
    } else {
      log.reserve(codec.rows);
    }
    const unseen = log.nextSequence;
    log.touchedAtMs = Math.max(log.touchedAtMs, codec.touchedAtMs);
    log.nextSequence = Math.max(unseen, firstOfChunk(chunk) + codec.added);
    for (let i = 0; i < codec.rows; i++) {
      const sequence = firstOfChunk(chunk) + codec.placeAt(i);
      if (sequence < unseen) continue;
      const row = log.insert(codec.timeAt(i), sequence);
      for (let field = 0; field < this.#options.fields.length; field++)
        log.setField(row, field, codec.fieldAt(i, field));
      while (this.#isOver()) log.dropFirst();
    }
    this.#reader.forgetIndex();
  }

  #restoreTombstone(key: string, chunk: number): void {
    const log = this.#log;
    while (log.length > 0 && chunkOf(log.sequenceAt(0)) === chunk) log.dropFirst();
    if (!log.inOrder) log.dropWhere((row) => chunkOf(log.sequenceAt(row)) === chunk);
    this.#reader.forgetIndex();
    if (log.length === 0) this.#remove(key);
  }
}

/** The same key, but no longer as a part of the changelog's key, which it would keep in memory. */
const compact = (key: string): string => Buffer.from(key, 'utf8').toString('utf8');

function checkOptions<F extends string>(name: string, options: SlidingWindowStoreOptions<F>): void {
  const { fields, sums = [], windows = [], retentionMs, eventsPerKeyMax, keysMax, distinctExactMax = 1 } = options;
  const faults = [
    ...sums.filter((field) => !fields.includes(field)).map((field) => `it has no field ${field} to sum`),
    ...windows.filter((ms) => !(ms > 0 && ms <= retentionMs)).map((ms) => `a window of ${ms} ms is beyond retentionMs`),
    ...Object.entries({ retentionMs, eventsPerKeyMax, keysMax, distinctExactMax })
      .filter(([, value]) => !(value > 0))
      .map(([option, value]) => `${option} must be above 0, not ${value}`),
  ];
  if (faults.length > 0) throw new StreamsError('invalid-topology', `store ${name}: ${faults.join('; ')}`);
}

/** Declares a sliding-window store of a processor. */
export function slidingWindowStore<const F extends string>(
  options: SlidingWindowStoreOptions<F>,
): StoreDefinition<SlidingWindowStore<F>> {
  const kind = `sliding windows (${options.fields.join(', ')}; up to ${options.retentionMs} ms, ${options.eventsPerKeyMax} events per key, ${options.keysMax} keys)`;
  return { kind, create: (name) => new SlidingWindowStore(name, options) };
}
