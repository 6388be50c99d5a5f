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
  value: V;
  /** Stream time of the last put. */
  putAtMs: number;
}

const STAMP_BYTES = 8;

/** Values by key. Entries are kept in the order of their last put, which makes expiry a look at the front. */
export class KeyValueStore<V> implements StateStore {
  readonly #name: string;
  readonly #options: KeyValueStoreOptions<V>;
  readonly #entries = new Map<string, Entry<V>>();
  readonly #changed = new Set<string>();
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
    const { ttlMs, entriesMax } = this.#options;
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      if (this.#entries.size >= entriesMax)
        throw new StreamsError(
          'store-full',
          `store ${this.#name} holds ${entriesMax} entries, its limit: raise entriesMax, shorten ttlMs or use more partitions`,
        );
      this.#entries.set(key, { value, putAtMs: this.#streamTimeMs });
    } else {
      entry.value = value;
      entry.putAtMs = this.#streamTimeMs;
      if (ttlMs !== undefined) {
        this.#entries.delete(key);
        this.#entries.set(key, entry);
      }
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
    for (const [key, { value }] of this.#entries) yield [key, value];
  }

  advance(streamTimeMs: number): void {
    this.#streamTimeMs = streamTimeMs;
    if (this.#options.ttlMs === undefined) return;
    for (const [key, entry] of this.#entries) {
      if (!this.#expired(entry)) return;
      this.#entries.delete(key);
      this.#changed.add(key);
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
    this.#entries.set(key, { value: this.#options.decode(stamped ? value.subarray(STAMP_BYTES) : value), putAtMs });
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
