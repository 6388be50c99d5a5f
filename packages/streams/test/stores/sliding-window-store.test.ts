import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlidingWindowStore } from '../../src/index.ts';
import { Changelog, type Event, WindowModel } from './sliding-window-model.ts';

const SEED = Date.now() % 2 ** 31;
const RETENTION_MS = 1_000;
const WINDOWS_MS = [1, 50, 400, RETENTION_MS];
const create = (eventsPerKeyMax = 1_000, keysMax = 100) =>
  new SlidingWindowStore('test', {
    fields: ['amount', 'shop'],
    sums: ['amount'],
    retentionMs: RETENTION_MS,
    eventsPerKeyMax,
    keysMax,
  });

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

type TestStore = ReturnType<typeof create>;

function add(store: TestStore, model: WindowModel, event: Event, streamTimeMs: number): void {
  store.advance(streamTimeMs);
  store.window(event.key).add(event.atMs, { amount: event.amount, shop: event.shop });
  model.add(event);
}

test('every window says what a look through all events says, in whatever order they come', (t) => {
  t.diagnostic(`seed ${SEED}`);
  fc.assert(
    fc.property(someEvents, fc.constantFrom(3, 1_000), (events, eventsPerKeyMax) => {
      const store = create(eventsPerKeyMax);
      const model = new WindowModel(RETENTION_MS, eventsPerKeyMax);
      let streamTimeMs = 0;
      for (const event of events) {
        streamTimeMs = Math.max(streamTimeMs, event.atMs);
        add(store, model, event, streamTimeMs);
        for (const windowMs of WINDOWS_MS) model.assertSame(store.window(event.key), event.key, windowMs, event.atMs);
      }
    }),
    { seed: SEED },
  );
});

test('a store restored from its changelog answers as the one that wrote it, compacted, in part, or not', (t) => {
  t.diagnostic(`seed ${SEED}`);
  const drainEvery = fc.integer({ min: 1, max: 20 });
  const compactedShare = fc.constantFrom(0, 0.5, 1);
  fc.assert(
    fc.property(someEvents, drainEvery, compactedShare, fc.constantFrom(3, 1_000), (events, every, share, max) => {
      const store = create(max);
      const model = new WindowModel(RETENTION_MS, max);
      const changelog = new Changelog();
      let streamTimeMs = 0;
      events.forEach((event, index) => {
        streamTimeMs = Math.max(streamTimeMs, event.atMs);
        add(store, model, event, streamTimeMs);
        if (index % every === 0) changelog.take(store);
      });
      changelog.take(store);
      changelog.compact(Math.floor(changelog.records.length * share));
      const restored = create(max);
      changelog.restoreInto(restored, streamTimeMs);
      assert.equal(restored.size, store.size);
      for (const key of ['a', 'b', 'c']) {
        for (const { atMs } of model.of(key))
          for (const windowMs of WINDOWS_MS) model.assertSame(restored.window(key), key, windowMs, atMs);
      }
    }),
    { seed: SEED },
  );
});

test('an event of the far future holds no more chunks in the changelog than there are events', () => {
  const store = create(20);
  const changelog = new Changelog();
  store.advance(0);
  store.window('k').add(900, { amount: 1, shop: 1 });
  for (let i = 0; i < 2_000; i++) {
    store.window('k').add(i % 800, { amount: 1, shop: 1 });
    changelog.take(store);
  }
  assert.ok(changelog.living <= 21, `${changelog.living} chunks`);
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
  // 8 + 3 * 8 bytes: how a chunk with one event looked before it had a version.
  for (const bytes of [20, 8 + 3 * 8])
    assert.throws(() => store.restore('k\u00000', Buffer.alloc(bytes)), {
      code: 'changelog-corrupt',
      message: /reset/,
    });
});

test('a key can be looked at: its newest events first, nothing of a key that is idle or unknown, and nothing changes', () => {
  const store = create();
  store.advance(1_000);
  for (let i = 0; i < 150; i++) store.window('k').add(1_000 + i, { amount: i, shop: 1 });
  store.window('l').add(1_000, { amount: 1, shop: 1 });
  store.drainChanges();
  const { events, newest } = store.inspect('k') as { events: number; newest: unknown[] };
  assert.deepEqual([events, newest.length, newest[0]], [150, 100, { timeMs: 1_149, amount: 149, shop: 1 }]);
  assert.equal(store.inspect('x'), undefined);
  assert.deepEqual([store.keys(1), store.keys(10)], [['k'], ['k', 'l']]);
  assert.deepEqual(store.drainChanges(), []);
});

test('a view goes on after other keys were asked about, and after its key was forgotten', () => {
  const store = create();
  store.advance(1_000);
  const [k, l] = [store.window('k'), store.window('l')];
  k.add(1_000, { amount: 1, shop: 1 });
  l.add(1_000, { amount: 2, shop: 1 });
  assert.deepEqual(
    [k, l, store.window('x'), k].map((view) => view.sum('amount', 100, 1_000)),
    [1, 2, 0, 1],
  );
  store.advance(1_000 + 2 * RETENTION_MS);
  assert.equal(k.count(RETENTION_MS, 1_000), 0);
  k.add(3_000, { amount: 5, shop: 1 });
  assert.deepEqual([k.sum('amount', RETENTION_MS, 3_000), l.count(RETENTION_MS, 3_000)], [5, 0]);
});
