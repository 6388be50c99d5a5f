import { StreamsError } from '../errors.ts';
import type { StoreDefinition } from '../topology.ts';
import type { Change, StateStore } from './store.ts';

export interface KeyValueStoreOptions<V> {
  /** To bytes or text for the changelog, once per changed key and commit. */
  encode(value: V): Buffer | string;
  decode(bytes: Buffer): V;
  /** Stream time after the last `put` at which an entry expires; without it entries stay. */
  readonly ttlMs?: number;
  /** Entries per task. Reaching it is an error (`store-full`), not a silent loss. */
  readonly entriesMax: number;
}

interface Entry<V> {
  readonly key: string;
  value: V;
  /** Stream time of the last put. */
  putAtMs: number;
  /** The put that its place in the queue is for. */
  queuedAtMs: number;
}

const STAMP_BYTES = 8;

/** Checked entries of the expiry queue are cut off once they are so many, and half of it. */
const QUEUE_CUT_MIN = 1_024;

/**
 * Values by key. With a TTL every entry also stands once in a queue, in the order of its first put. At the front an
 * entry that has been put again meanwhile goes to the end, so that a put costs nothing here; it may stay in memory a
 * while longer than its TTL, but nobody sees it any more.
 */
export class KeyValueStore<V> implements StateStore {
  readonly #name: string;
  readonly #options: KeyValueStoreOptions<V>;
  readonly #entries = new Map<string, Entry<V>>();
  readonly #changed = new Set<string>();
  #queue: Entry<V>[] = [];
  #queueHead = 0;
  #streamTimeMs = Number.NEGATIVE_INFINITY;
  mutations = 0;

  constructor(name: string, options: KeyValueStoreOptions<V>) {
    this.#name = name;
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined || this.#expired(entry) ? undefined : entry.value;
  }

  has(key: string): boolean {
    const entry = this.#entries.get(key);
    return entry !== undefined && !this.#expired(entry);
  }

  /** Sets a value. A value that was changed in place must be put again: that is what marks it for the changelog. */
  put(key: string, value: V): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      const { entriesMax } = this.#options;
      if (this.#entries.size >= entriesMax) {
        throw new StreamsError(
          'store-full',
          `store ${this.#name} holds ${entriesMax} entries, its limit: raise entriesMax, shorten ttlMs or use more partitions`,
        );
      }
      this.#insert({ key, value, putAtMs: this.#streamTimeMs });
    } else {
      entry.value = value;
      entry.putAtMs = this.#streamTimeMs;
    }
    this.#changed.add(key);
    this.mutations += 1;
  }

  delete(key: string): boolean {
    const existed = this.#entries.delete(key);
    if (existed) {
      this.#changed.add(key);
      this.mutations += 1;
    }
    return existed;
  }

  *entries(): IterableIterator<[string, V]> {
    for (const [key, entry] of this.#entries) if (!this.#expired(entry)) yield [key, entry.value];
  }

  inspect(key: string): unknown {
    return this.get(key);
  }

  keys(limit: number): string[] {
    const keys: string[] = [];
    for (const [key] of this.entries()) if (keys.push(key) >= limit) break;
    return keys;
  }

  advance(streamTimeMs: number): void {
    this.#streamTimeMs = streamTimeMs;
    const { ttlMs } = this.#options;
    if (ttlMs === undefined) return;
    for (; this.#queueHead < this.#queue.length; this.#queueHead++) {
      const entry = this.#queue[this.#queueHead] as Entry<V>;
      if (this.#entries.get(entry.key) !== entry) continue; // deleted, or deleted and put anew
      if (this.#expired(entry)) {
        this.#entries.delete(entry.key);
        this.#changed.add(entry.key);
      } else if (entry.queuedAtMs + ttlMs <= streamTimeMs) {
        entry.queuedAtMs = entry.putAtMs;
        this.#queue.push(entry);
      } else {
        break;
      }
    }
    if (this.#queueHead >= QUEUE_CUT_MIN && this.#queueHead * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
  }

  /** With a TTL a value is preceded by the stream time of its put: 8 bytes, big-endian double. */
  drainChanges(): Change[] {
    const changes: Change[] = [];
    for (const key of this.#changed) {
      const entry = this.#entries.get(key);
      changes.push({ key, value: entry === undefined ? null : this.#encode(entry) });
    }
    this.#changed.clear();
    return changes;
  }

  restore(key: string, value: Buffer | null): void {
    this.#entries.delete(key);
    if (value === null) return;
    const stamped = this.#options.ttlMs !== undefined;
    const putAtMs = stamped ? value.readDoubleBE(0) : this.#streamTimeMs;
    this.#insert({ key, value: this.#options.decode(stamped ? value.subarray(STAMP_BYTES) : value), putAtMs });
  }

  #insert({ key, value, putAtMs }: Omit<Entry<V>, 'queuedAtMs'>): void {
    const entry = { key, value, putAtMs, queuedAtMs: putAtMs };
    this.#entries.set(key, entry);
    if (this.#options.ttlMs !== undefined) this.#queue.push(entry);
  }

  #expired({ putAtMs }: Entry<V>): boolean {
    return this.#options.ttlMs !== undefined && putAtMs + this.#options.ttlMs <= this.#streamTimeMs;
  }

  #encode({ value, putAtMs }: Entry<V>): Buffer | string {
    const encoded = this.#options.encode(value);
    if (this.#options.ttlMs === undefined) return encoded;
    const bytes = typeof encoded === 'string' ? Buffer.from(encoded, 'utf8') : encoded;
    const stamped = Buffer.allocUnsafe(STAMP_BYTES + bytes.length);
    stamped.writeDoubleBE(putAtMs, 0);
    bytes.copy(stamped, STAMP_BYTES);
    return stamped;
  }
}

/** Declares a key-value store of a processor. */
export function keyValueStore<V>(options: KeyValueStoreOptions<V>): StoreDefinition<KeyValueStore<V>> {
  const ttl = options.ttlMs === undefined ? '' : `, ttl ${options.ttlMs} ms`;
  return {
    kind: `key-value (at most ${options.entriesMax} entries${ttl})`,
    create: (name) => new KeyValueStore(name, options),
  };
}
