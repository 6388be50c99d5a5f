import type { StateStore } from '../../src/index.ts';

/** What a store has written, as the changelog topic would keep it. */
export class Changelog {
  readonly #records: { readonly key: string; readonly value: Buffer | null }[] = [];
  /** What is left after compaction: the newest record of each key, but for tombstones. */
  readonly live = new Map<string, Buffer>();

  /** Takes the changes of a commit. */
  take(store: StateStore): void {
    for (const { key, value } of store.drainChanges()) {
      const bytes = value === null ? null : Buffer.from(value as Buffer);
      this.#records.push({ key, value: bytes });
      if (bytes === null) this.live.delete(key);
      else this.live.set(key, bytes);
    }
  }

  /** Compacted: a record stands where the last of its key stood; tombstones may still be there. */
  restore(store: StateStore, compacted: boolean): void {
    const last = new Map(this.#records.map(({ key }, index) => [key, index]));
    this.#records.forEach(({ key, value }, index) => {
      if (!compacted || last.get(key) === index) store.restore(key, value);
    });
  }
}
