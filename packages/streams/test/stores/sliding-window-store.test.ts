import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlidingWindowStore } from '../../src/index.ts';

const RETENTION_MS = 1_000;
const create = (eventsPerKeyMax = 1_000, keysMax = 100) =>
  new SlidingWindowStore('test', {
    fields: ['amount', 'shop'],
    sums: ['amount'],
    retentionMs: RETENTION_MS,
    eventsPerKeyMax,
    keysMax,
  });

interface Event {
  readonly key: string;
  readonly atMs: number;
  readonly amount: number;
  readonly shop: number;
}

// Times move on by small steps, with some behind: late, out of order, at the same instant.
const someEvents = fc
  .array(
    fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      step: fc.integer({ min: 0, max: 120 }),
      behind: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 800 })),
      amount: fc.integer({ min: 1, max: 1_000_000 }),
      shop: fc.integer({ min: 1, max: 4 }),
    }),
    { maxLength: 120 },
  )
  .map((steps) => {
    let now = 10_000;
    return steps.map(({ key, step, behind, amount, shop }): Event => {
      now += step;
      return { key, atMs: now - behind, amount, shop };
    });
  });

/** What a window holds, from a plain list: the events of the key that are in it and have not left the store's memory. */
function inWindow(events: readonly Event[], key: string, windowMs: number, atMs: number): Event[] {
  const own = events.filter((event) => event.key === key);
  const newest = Math.max(...own.map((event) => event.atMs));
  return own.filter(
    (event) => event.atMs > atMs - windowMs && event.atMs <= atMs && event.atMs > newest - RETENTION_MS,
  );
}

function feed(
  store: SlidingWindowStore<'amount' | 'shop'>,
  events: readonly Event[],
  each: (event: Event, index: number) => void = () => undefined,
): void {
  let streamTimeMs = 0;
  events.forEach((event, index) => {
    streamTimeMs = Math.max(streamTimeMs, event.atMs);
    store.advance(streamTimeMs);
    store.window(event.key).add(event.atMs, { amount: event.amount, shop: event.shop });
    each(event, index);
  });
}

function assertSame(
  store: SlidingWindowStore<'amount' | 'shop'>,
  events: readonly Event[],
  { key, atMs }: Event,
): void {
  const view = store.window(key);
  for (const windowMs of [1, 50, 400, RETENTION_MS]) {
    const list = inWindow(events, key, windowMs, atMs);
    const amounts = list.map(({ amount }) => amount);
    const sum = amounts.reduce((total, amount) => total + amount, 0);
    const mean = list.length === 0 ? 0 : sum / list.length;
    const deviation =
      list.length < 2
        ? 0
        : Math.sqrt(amounts.reduce((total, amount) => total + (amount - mean) ** 2, 0) / (list.length - 1));
    assert.equal(view.count(windowMs, atMs), list.length);
    assert.equal(view.sum('amount', windowMs, atMs), sum);
    assert.equal(view.mean('amount', windowMs, atMs), mean);
    assert.ok(Math.abs(view.deviation('amount', windowMs, atMs) - deviation) <= 1e-9 * Math.max(1, deviation));
    assert.equal(
      view.sum('shop', windowMs, atMs),
      list.reduce((total, { shop }) => total + shop, 0),
    );
    assert.equal(view.min('amount', windowMs, atMs), amounts.length === 0 ? Number.NaN : Math.min(...amounts));
    assert.equal(view.max('amount', windowMs, atMs), amounts.length === 0 ? Number.NaN : Math.max(...amounts));
    assert.equal(view.distinct('shop', windowMs, atMs), new Set(list.map(({ shop }) => shop)).size);
    assert.equal(view.countWhere('shop', 2, windowMs, atMs), list.filter(({ shop }) => shop === 2).length);
  }
}

test('every window says what a look through all events says, in whatever order they come', () => {
  fc.assert(
    fc.property(someEvents, (events) => {
      const store = create();
      feed(store, events, (event, index) => assertSame(store, events.slice(0, index + 1), event));
    }),
  );
});

test('a store restored from its changelog answers as the one that wrote it, compacted or not', () => {
  fc.assert(
    fc.property(someEvents, fc.integer({ min: 1, max: 20 }), fc.boolean(), (events, drainEvery, compacted) => {
      const store = create();
      const changelog: { key: string; value: Buffer | null }[] = [];
      const drain = () =>
        changelog.push(
          ...store
            .drainChanges()
            .map(({ key, value }) => ({ key, value: value === null ? null : Buffer.from(value as Buffer) })),
        );
      feed(store, events, (_, index) => {
        if (index % drainEvery === 0) drain();
      });
      drain();
      const kept = compacted
        ? changelog.filter(({ key }, index) => changelog.findLastIndex((later) => later.key === key) === index)
        : changelog;
      const restored = create();
      for (const { key, value } of kept) restored.restore(key, value);
      for (const key of ['a', 'b', 'c']) {
        const own = events.filter((event) => event.key === key);
        const newest = own.toSorted((x, y) => y.atMs - x.atMs)[0];
        if (newest !== undefined) assertSame(restored, events, newest);
        assert.deepEqual(
          restored.window(key).last(Number.POSITIVE_INFINITY),
          store.window(key).last(Number.POSITIVE_INFINITY),
        );
      }
    }),
  );
});

test('the changelog does not grow with time: chunks that have expired are forgotten', () => {
  const store = create();
  const live = new Set<string>();
  for (let i = 0; i < 5_000; i++) {
    store.advance(i * 10);
    store.window('k').add(i * 10, { amount: 1, shop: 1 });
    for (const { key, value } of store.drainChanges()) {
      if (value === null) live.delete(key);
      else live.add(key);
    }
  }
  // 100 events are alive: 13 chunks of 8, and the two at the ends.
  assert.ok(live.size <= 15, `${live.size} chunks`);
});

test('a key that goes quiet is forgotten, and starts anew when it comes back', () => {
  const store = create();
  const live = new Map<string, Buffer | string>();
  const drain = () => {
    for (const { key, value } of store.drainChanges()) {
      if (value === null) live.delete(key);
      else live.set(key, value);
    }
  };
  store.advance(1_000);
  store.window('k').add(1_000, { amount: 5, shop: 1 });
  drain();
  store.advance(1_000 + 3 * RETENTION_MS);
  drain();
  assert.deepEqual([store.size, live.size], [0, 0]);
  store.advance(9_000);
  store.window('k').add(9_000, { amount: 7, shop: 1 });
  drain();
  const restored = create();
  for (const [key, value] of live) restored.restore(key, Buffer.from(value as Buffer));
  assert.equal(restored.window('k').sum('amount', RETENTION_MS, 9_000), 7);
});

test('over the limit of events the oldest go, over the limit of keys the store says so', () => {
  const store = create(3, 2);
  store.advance(0);
  for (let i = 1; i <= 5; i++) store.window('k').add(i, { amount: i, shop: 1 });
  assert.equal(store.window('k').sum('amount', 100, 5), 3 + 4 + 5);
  store.window('l').add(1, { amount: 1, shop: 1 });
  assert.throws(() => store.window('m').add(1, { amount: 1, shop: 1 }), { code: 'store-full', message: /2 keys/ });
});

test('bytes that are no chunk are refused as a corrupt changelog', () => {
  const store = create();
  assert.throws(() => store.restore('no-separator', Buffer.alloc(32)), { code: 'changelog-corrupt' });
  assert.throws(() => store.restore('k\u00000', Buffer.alloc(20)), { code: 'changelog-corrupt' });
});
