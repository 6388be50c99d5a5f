import { StreamsError } from '../errors.ts';
import type { KeyValueStoreOptions } from '../stores/key-value-store.ts';
import type { Change, StateStore } from '../stores/store.ts';
import type { StoreDefinition } from '../topology.ts';
import { ClosingQueue } from './closing-queue.ts';

/** To bytes or text for the changelog, and back. */
export type Codec<V> = Pick<KeyValueStoreOptions<V>, 'encode' | 'decode'>;

/** Which side is let through without a partner, once there can be none any more. */
export type JoinKind = 'inner' | 'left' | 'outer';

export interface JoinStoreOptions<L, R> {
  readonly kind: JoinKind;
  /** A right event is a partner of a left one from so long before it ... */
  readonly beforeMs: number;
  /** ... until so long after it, both inclusive, in event time. */
  readonly afterMs: number;
  /** How far behind stream time an event may come. Both sides are kept for the window and this time. */
  readonly graceMs: number;
  /** Of each side. Reaching it is an error (`store-full`), not a silent loss. */
  readonly eventsPerKeyMax: number;
  /** Per task; likewise. */
  readonly keysMax: number;
  readonly left: Codec<L>;
  readonly right: Codec<R>;
}

export type SideName = 'left' | 'right';
/** Value of an event of a side. */
export type Of<S extends SideName, L, R> = S extends 'left' ? L : R;

interface HeldEvent {
  readonly atMs: number;
  readonly value: unknown;
  readonly matched: boolean;
}

/** An event that waits for partners. */
interface Held extends HeldEvent {
  readonly side: SideName;
  readonly key: string;
  /** Order of arrival. */
  readonly sequence: number;
  /** While stream time is not over this, a partner may still come. */
  readonly closesAtMs: number;
  matched: boolean;
  /** Whether the changelog has it. */
  logged: boolean;
}

/** The events of a key by event time, those of the same time by arrival. */
type Buffers = Readonly<Record<SideName, Held[]>>;

interface Side {
  /** A partner's event time lies between that of the event minus `behindMs` and that of the event plus `aheadMs`. */
  readonly behindMs: number;
  readonly aheadMs: number;
  readonly keepsUnmatched: boolean;
  readonly codec: Codec<unknown>;
}

const HEADER_BYTES = 9;

/**
 * Both sides of a windowed join. Every event meets, when it comes, the partners that are there, so each pair is found
 * once, by the later of the two; and is kept until no partner can come that is not late. What is kept does not depend
 * on the order of arrival, so neither do the pairs.
 *
 * Changelog: one record per event, `<side><sequence>\0<key>`, with whether it has been matched (1 byte), its event time
 * (8 bytes, big-endian double) and its value; a tombstone once it is closed.
 */
export class JoinStore<L, R> implements StateStore {
  readonly #name: string;
  readonly #options: JoinStoreOptions<L, R>;
  readonly #sides: Readonly<Record<SideName, Side>>;
  readonly #keys = new Map<string, Buffers>();
  readonly #closing = new ClosingQueue<Held>();
  readonly #changed = new Set<Held>();
  readonly #gone = new Set<Held>();
  /** By changelog key, while the changelog is read. */
  readonly #restored = new Map<string, Held>();
  #sequence = 0;
  #streamTimeMs = Number.NEGATIVE_INFINITY;
  mutations = 0;

  constructor(name: string, options: JoinStoreOptions<L, R>) {
    this.#name = name;
    this.#options = options;
    const { kind, beforeMs, afterMs, left, right } = options;
    this.#sides = {
      left: { behindMs: beforeMs, aheadMs: afterMs, keepsUnmatched: kind !== 'inner', codec: left as Codec<unknown> },
      right: { behindMs: afterMs, aheadMs: beforeMs, keepsUnmatched: kind === 'outer', codec: right as Codec<unknown> },
    };
  }

  /** Number of keys with an event on either side. */
  get size(): number {
    return this.#keys.size;
  }

  /**
   * Adds an event and hands out its pairs, by the event time of the partner; the time of a pair is that of its later
   * event. Returns false, and does nothing, if the event is late.
   */
  add<S extends SideName>(
    side: S,
    key: string,
    atMs: number,
    value: Of<S, L, R>,
    onPair: (left: L, right: R, atMs: number) => void,
  ): boolean {
    if (atMs < this.#streamTimeMs - this.#options.graceMs) return false;
    this.#checkRoom(side, key);
    const held = this.#hold(side, key, atMs, value, this.#sequence++);
    const { behindMs, aheadMs } = this.#sides[side];
    const partners = this.#insert(held)[side === 'left' ? 'right' : 'left'];
    this.#changed.add(held);
    this.mutations += 1;
    for (let at = indexOf(partners, atMs - behindMs, 'from'); at < partners.length; at++) {
      const partner = partners[at] as Held;
      if (partner.atMs > atMs + aheadMs) break;
      held.matched = true;
      this.#markMatched(partner);
      const [left, right] = side === 'left' ? [held, partner] : [partner, held];
      onPair(left.value as L, right.value as R, Math.max(atMs, partner.atMs));
    }
    return true;
  }

  /** An event closes when stream time has passed it, not when it is reached. */
  get nextCloseMs(): number {
    return (this.#closing.first?.closesAtMs ?? Number.POSITIVE_INFINITY) + 1;
  }

  /** Forgets events that can have no more partners, in the order of that moment, and hands out those that had none. */
  close(onUnmatched: (key: string, atMs: number, left: L | undefined, right: R | undefined) => void): void {
    for (let held = this.#closing.first; held !== undefined; held = this.#closing.first) {
      if (held.closesAtMs >= this.#streamTimeMs) return;
      this.#closing.removeFirst();
      this.#forget(held);
      if (held.matched || !this.#sides[held.side].keepsUnmatched) continue;
      const [left, right] = held.side === 'left' ? [held.value as L, undefined] : [undefined, held.value as R];
      try {
        onUnmatched(held.key, held.atMs, left, right);
      } catch (error) {
        this.mutations += 1; // it is forgotten, and has not been heard: the task must be rebuilt
        throw error;
      }
    }
  }

  advance(streamTimeMs: number): void {
    this.#streamTimeMs = streamTimeMs;
    if (this.#restored.size === 0) return;
    for (const held of [...this.#restored.values()].sort((a, b) => a.sequence - b.sequence)) {
      this.#insert(held);
      this.#sequence = held.sequence + 1;
    }
    this.#restored.clear();
  }

  drainChanges(): Change[] {
    const changes: Change[] = [];
    for (const held of this.#gone) changes.push({ key: changelogKeyOf(held), value: null });
    for (const held of this.#changed) {
      changes.push({ key: changelogKeyOf(held), value: this.#encode(held) });
      held.logged = true;
    }
    this.#gone.clear();
    this.#changed.clear();
    return changes;
  }

  restore(changelogKey: string, value: Buffer | null): void {
    if (value === null) {
      this.#restored.delete(changelogKey);
      return;
    }
    const [, letter, sequence, key] = /^([LR])(\d+)\0(.*)$/s.exec(changelogKey) ?? [];
    if (sequence === undefined || key === undefined || value.length < HEADER_BYTES)
      throw new StreamsError('changelog-corrupt', `store ${this.#name}: no event of a join`);
    const side = letter === 'L' ? 'left' : 'right';
    const atMs = value.readDoubleBE(1);
    this.#restored.set(changelogKey, {
      ...this.#hold(side, key, atMs, this.#sides[side].codec.decode(value.subarray(HEADER_BYTES)), Number(sequence)),
      matched: value[0] === 1,
      logged: true,
    });
  }

  keys(limit: number): string[] {
    const keys: string[] = [];
    for (const key of this.#keys.keys()) {
      if (keys.length >= limit) break;
      keys.push(key);
    }
    return keys;
  }

  inspect(key: string): Readonly<Record<SideName, readonly HeldEvent[]>> | undefined {
    const buffers = this.#keys.get(key);
    const shown = ({ atMs, value, matched }: Held): HeldEvent => ({ atMs, value, matched });
    return buffers && { left: buffers.left.map(shown), right: buffers.right.map(shown) };
  }

  #hold(side: SideName, key: string, atMs: number, value: unknown, sequence: number): Held {
    const closesAtMs = atMs + this.#sides[side].aheadMs + this.#options.graceMs;
    return { side, key, atMs, value, sequence, closesAtMs, matched: false, logged: false };
  }

  #markMatched(held: Held): void {
    if (held.matched) return;
    held.matched = true;
    // Who is let through only with a partner need not remember that there was one.
    if (this.#sides[held.side].keepsUnmatched) this.#changed.add(held);
  }

  #insert(held: Held): Buffers {
    let buffers = this.#keys.get(held.key);
    if (buffers === undefined) {
      buffers = { left: [], right: [] };
      this.#keys.set(held.key, buffers);
    }
    const own = buffers[held.side];
    own.splice(indexOf(own, held.atMs, 'after'), 0, held);
    this.#closing.add(held);
    return buffers;
  }

  #forget(held: Held): void {
    const buffers = this.#keys.get(held.key) as Buffers;
    // All events of a side are kept for the same time, so the first to close is the first in the buffer.
    buffers[held.side].shift();
    if (buffers.left.length === 0 && buffers.right.length === 0) this.#keys.delete(held.key);
    this.#changed.delete(held);
    if (held.logged) this.#gone.add(held);
  }

  #checkRoom(side: SideName, key: string): void {
    const { keysMax, eventsPerKeyMax } = this.#options;
    const buffers = this.#keys.get(key);
    if (buffers === undefined && this.#keys.size >= keysMax) {
      throw new StreamsError(
        'store-full',
        `store ${this.#name} holds ${keysMax} keys, its limit: raise keysMax, shorten the window or use more partitions`,
      );
    }
    if (buffers !== undefined && buffers[side].length >= eventsPerKeyMax) {
      throw new StreamsError(
        'store-full',
        `store ${this.#name} holds ${eventsPerKeyMax} ${side} events of key ${key}, its limit: raise eventsPerKeyMax or shorten the window`,
      );
    }
  }

  #encode({ side, atMs, value, matched }: Held): Buffer {
    const encoded = this.#sides[side].codec.encode(value);
    const bytes = typeof encoded === 'string' ? Buffer.from(encoded, 'utf8') : encoded;
    const record = Buffer.allocUnsafe(HEADER_BYTES + bytes.length);
    record[0] = matched ? 1 : 0;
    record.writeDoubleBE(atMs, 1);
    record.set(bytes, HEADER_BYTES);
    return record;
  }
}

const changelogKeyOf = ({ side, sequence, key }: Held): string => `${side === 'left' ? 'L' : 'R'}${sequence}\0${key}`;

/** The place of the first event from a time on, or after it. */
function indexOf(events: readonly Held[], atMs: number, bound: 'from' | 'after'): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const { atMs: found } = events[middle] as Held;
    if (found < atMs || (found === atMs && bound === 'after')) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Declares the store of a windowed join. */
export function joinStore<L, R>(options: JoinStoreOptions<L, R>): StoreDefinition<JoinStore<L, R>> {
  const { kind, beforeMs, afterMs, graceMs, eventsPerKeyMax, keysMax } = options;
  for (const [name, ms] of Object.entries({ beforeMs, afterMs, graceMs })) {
    if (!(ms >= 0)) throw new StreamsError('invalid-topology', `${name} is ${ms}; it must be 0 or more`);
  }
  return {
    kind: `${kind} join (${beforeMs} ms before, ${afterMs} ms after, ${eventsPerKeyMax} events per key, ${keysMax} keys)`,
    create: (name) => new JoinStore(name, options),
  };
}
