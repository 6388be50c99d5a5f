import assert from 'node:assert/strict';
import type { SlidingWindowStore, WindowView } from '../../src/index.ts';

export type Field = 'amount' | 'shop';
export interface Event {
  readonly key: string;
  readonly atMs: number;
  readonly amount: number;
  readonly shop: number;
}

/** What a sliding-window store says, from plain lists: every question looks at everything. */
export class WindowModel {
  readonly #alive = new Map<string, Event[]>();
  readonly #retentionMs: number;
  readonly #eventsPerKeyMax: number;

  constructor(retentionMs: number, eventsPerKeyMax: number) {
    this.#retentionMs = retentionMs;
    this.#eventsPerKeyMax = eventsPerKeyMax;
  }

  add(event: Event): void {
    const events = [...(this.#alive.get(event.key) ?? []), event].sort((a, b) => a.atMs - b.atMs); // sort is stable
    const newestMs = events.at(-1)?.atMs ?? 0;
    this.#alive.set(
      event.key,
      events.filter(({ atMs }) => atMs > newestMs - this.#retentionMs).slice(-this.#eventsPerKeyMax),
    );
  }

  of(key: string): readonly Event[] {
    return this.#alive.get(key) ?? [];
  }

  /** Every question about one window, against the store's answers. */
  assertSame(view: WindowView<Field>, key: string, windowMs: number, atMs: number): void {
    const events = this.of(key).filter((event) => event.atMs > atMs - windowMs && event.atMs <= atMs);
    const count = events.length;
    assert.equal(view.count(windowMs, atMs), count, 'count');
    for (const field of ['amount', 'shop'] as const) {
      const values = events.map((event) => event[field]);
      const sorted = values.toSorted((a, b) => a - b);
      const sum = values.reduce((total, value) => total + value, 0);
      assert.equal(view.sum(field, windowMs, atMs), sum, `sum ${field}`);
      assert.equal(view.mean(field, windowMs, atMs), count === 0 ? 0 : sum / count, `mean ${field}`);
      assert.equal(view.deviation(field, windowMs, atMs), exactDeviation(values), `deviation ${field}`);
      assert.equal(view.min(field, windowMs, atMs), sorted[0] ?? Number.NaN, `min ${field}`);
      assert.equal(view.max(field, windowMs, atMs), sorted.at(-1) ?? Number.NaN, `max ${field}`);
      for (const share of [0, 0.5, 0.9, 1]) {
        // The smallest value that enough of the values do not exceed.
        const quantile = sorted.find((_, index) => index + 1 >= share * count);
        assert.equal(view.quantile(field, share, windowMs, atMs), quantile ?? Number.NaN, `quantile ${share} ${field}`);
      }
      assert.equal(view.distinct(field, windowMs, atMs), new Set(values).size, `distinct ${field}`);
      const wanted = values[0] ?? 1;
      assert.equal(
        view.countWhere(field, wanted, windowMs, atMs),
        values.filter((value) => value === wanted).length,
        `countWhere ${field}`,
      );
    }
    const newest = this.of(key).findLast((event) => event.atMs <= atMs);
    const last = newest && { timeMs: newest.atMs, fields: { amount: newest.amount, shop: newest.shop } };
    assert.deepEqual(view.last(atMs), last, 'last');
  }
}

/** From whole numbers without any rounding but at the end. */
export function exactDeviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const count = BigInt(values.length);
  const sum = values.reduce((total, value) => total + BigInt(value), 0n);
  const squares = values.reduce((total, value) => total + BigInt(value) ** 2n, 0n);
  return Math.sqrt(Number(count * squares - sum * sum) / Number(count * (count - 1n)));
}

/** A changelog as Kafka keeps it, and what a new owner of the partition makes of it. */
export class Changelog {
  readonly records: { readonly key: string; readonly value: Buffer | null }[] = [];

  take(store: SlidingWindowStore<Field>): void {
    for (const { key, value } of store.drainChanges())
      this.records.push({ key, value: value === null ? null : Buffer.from(value as Buffer) });
  }

  /** Keeps the newest record of each key among the first `upTo`, at its place. */
  compact(upTo = this.records.length): void {
    const newest = new Map(this.records.slice(0, upTo).map(({ key }, index) => [key, index]));
    const kept = this.records.filter(({ key }, index) => index >= upTo || newest.get(key) === index);
    this.records.splice(0, this.records.length, ...kept);
  }

  restoreInto(store: SlidingWindowStore<Field>, streamTimeMs: number): void {
    for (const { key, value } of this.records) store.restore(key, value);
    store.advance(streamTimeMs);
  }

  /** Keys that have a value. */
  get living(): number {
    const newest = new Map(this.records.map(({ key, value }) => [key, value]));
    return [...newest.values()].filter((value) => value !== null).length;
  }
}
