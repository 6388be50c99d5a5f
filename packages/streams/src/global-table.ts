import type { GlobalTable } from './topology.ts';

/** Versions of one key; over it the oldest go. A merchant that moves house more often than this is a data fault. */
const VERSIONS_PER_KEY_MAX = 16;

interface Version<T> {
  readonly atMs: number;
  readonly value: T | null;
}

/** A whole topic in memory. The runtime fills it from Kafka, the test driver from its pipe. */
export class VersionedTable<T> implements GlobalTable<T> {
  readonly #versions = new Map<string, Version<T>[]>();
  version = 0;

  get size(): number {
    return this.#versions.size;
  }

  get(key: string, atMs = Number.POSITIVE_INFINITY): T | undefined {
    const versions = this.#versions.get(key);
    if (versions === undefined) return undefined;
    for (let i = versions.length - 1; i > 0; i--) {
      const version = versions[i];
      if (version !== undefined && version.atMs <= atMs) return version.value ?? undefined;
    }
    return versions[0]?.value ?? undefined;
  }

  *values(): IterableIterator<T> {
    for (const versions of this.#versions.values()) {
      const value = versions.at(-1)?.value;
      if (value !== null && value !== undefined) yield value;
    }
  }

  /** Takes a record of the topic: a version, or with `null` the end of the key from then on. */
  apply(key: string, atMs: number, value: T | null): void {
    const versions = this.#versions.get(key) ?? [];
    const at = versions.findLastIndex((version) => version.atMs <= atMs);
    if (versions[at]?.atMs === atMs) versions[at] = { atMs, value };
    else versions.splice(at + 1, 0, { atMs, value });
    if (versions.length > VERSIONS_PER_KEY_MAX) versions.shift();
    this.#versions.set(key, versions);
    this.version += 1;
  }
}
