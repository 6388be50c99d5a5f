/** A change of a store on its way to the changelog; `null` forgets the key. */
export interface Change {
  readonly key: string;
  readonly value: Buffer | string | null;
}

/**
 * State of one task, in memory, backed by a compacted changelog topic. What is not in the changelog does not survive,
 * so every change must come out of `drainChanges`, once, in the commit in which it was made.
 */
export interface StateStore {
  /** Applies one record of the changelog. Called before any processing, in the order of the changelog. */
  restore(key: string, value: Buffer | null): void;
  /** What has changed since the last call, only the newest value of each key. */
  drainChanges(): Change[];
  /** Stream time has moved on: what has expired goes, and its removal is among the next changes. */
  advance(streamTimeMs: number): void;
  /** Stream time at which it has something to close next, `Infinity` for never; of a store that closes things. */
  readonly nextCloseMs?: number;
  /** Number of keys. */
  readonly size: number;
  /** Grows with every change by a processor: tells whether a record that failed had touched the store. */
  readonly mutations: number;
  /** What is kept of a key, for a person to read as JSON; `undefined` if nothing. Shows, and changes nothing. */
  inspect?(key: string): unknown;
  /** Some of the keys, at most `limit`. */
  keys?(limit: number): string[];
}
