import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type JoinKind, type JoinStore, joinStore } from '../../src/joins/join-store.ts';
import type { Change } from '../../src/stores/store.ts';
import {
  AFTER_MS,
  BEFORE_MS,
  bruteForce,
  type Event,
  GRACE_MS,
  type Result,
  someEvents,
  sorted,
} from './brute-force.ts';

const json = {
  encode: (value: number) => JSON.stringify(value),
  decode: (bytes: Buffer) => JSON.parse(bytes.toString('utf8')) as number,
};
const definitionOf = (kind: JoinKind, limits = { eventsPerKeyMax: 1_000, keysMax: 100 }) =>
  joinStore<number, number>({
    kind,
    beforeMs: BEFORE_MS,
    afterMs: AFTER_MS,
    graceMs: GRACE_MS,
    left: json,
    right: json,
    ...limits,
  });

/** Runs events through a store, with its restarts, until all has closed. */
function run(events: readonly Event[], kind: JoinKind, compacted: boolean) {
  let store = definitionOf(kind).create('test');
  const log: Change[] = [];
  const results: Result[] = [];
  const late: number[] = [];
  let streamTimeMs = Number.NEGATIVE_INFINITY;
  const advance = (ms: number): void => {
    if (ms <= streamTimeMs) return;
    streamTimeMs = ms;
    store.advance(ms);
    store.close((_key, _atMs, left, right) => results.push([left ?? null, right ?? null]));
  };
  for (const { id, side, key, atMs, restart } of events) {
    if (restart) {
      log.push(...store.drainChanges());
      store = restored(kind, log, compacted, streamTimeMs);
    }
    advance(atMs);
    const inTime = store.add(side, key, atMs, id, (left, right) => results.push([left, right]));
    if (!inTime) late.push(id);
    if (id % 3 === 0) log.push(...store.drainChanges());
  }
  advance(streamTimeMs + 1_000);
  log.push(...store.drainChanges());
  return { results, late, log, store };
}

function restored(kind: JoinKind, log: readonly Change[], compacted: boolean, streamTimeMs: number) {
  const store = definitionOf(kind).create('test');
  // Compaction keeps the last record of a key, where it was written.
  const kept = new Map(log.map(({ key }, at) => [key, at]));
  for (const [at, { key, value }] of log.entries()) {
    if (compacted && kept.get(key) !== at) continue;
    store.restore(key, value === null ? null : Buffer.from(value));
  }
  store.advance(streamTimeMs);
  return store;
}

for (const kind of ['inner', 'left', 'outer'] as const) {
  test(`the ${kind} join finds what brute force finds, with late events and restarts from either changelog`, () => {
    fc.assert(
      fc.property(someEvents, fc.boolean(), (events, compacted) => {
        const { results, late } = run(events, kind, compacted);
        const wanted = bruteForce(events, kind);
        assert.deepEqual(sorted(results), sorted(wanted.results));
        assert.deepEqual(late, wanted.late);
      }),
    );
  });
}

test('order of arrival within grace changes no pair', () => {
  // Times of a stretch of at most grace: in no order can one of them be late.
  const within = fc.array(
    fc.record({
      side: fc.constantFrom('left' as const, 'right' as const),
      key: fc.constantFrom('a', 'b'),
      atMs: fc.integer({ min: 0, max: GRACE_MS }),
    }),
    { maxLength: 40 },
  );
  const withOrder = within.chain((events) => {
    const numbered = events.map((event, id) => ({ ...event, id, restart: false }));
    return fc.tuple(fc.constant(numbered), fc.shuffledSubarray(numbered, { minLength: numbered.length }));
  });
  fc.assert(
    fc.property(withOrder, ([events, shuffled]) => {
      const [one, other] = [run(events, 'outer', false), run(shuffled, 'outer', false)];
      assert.deepEqual(sorted(one.results), sorted(other.results));
      assert.deepEqual([one.late, other.late], [[], []]);
    }),
  );
});

test('what is alone comes in the order in which it closes, at one moment in that of its arrival', () => {
  fc.assert(
    fc.property(someEvents, (events) => {
      const closing = run(events, 'outer', true).results.flatMap(([left, right]) => {
        const event = events[left ?? right ?? -1];
        if (event === undefined || (left !== null && right !== null)) return [];
        return [{ id: event.id, atMs: event.atMs + (event.side === 'left' ? AFTER_MS : BEFORE_MS) }];
      });
      assert.deepEqual(
        closing,
        closing.toSorted((a, b) => a.atMs - b.atMs || a.id - b.id),
      );
    }),
  );
});

test('nothing is left when all has closed: no key, and tombstones for all that was written', () => {
  fc.assert(
    fc.property(someEvents, (events) => {
      const { store, log } = run(events, 'outer', true);
      assert.equal(store.size, 0);
      assert.deepEqual(
        [...new Map(log.map(({ key, value }) => [key, value])).values()].filter((value) => value !== null),
        [],
      );
    }),
  );
});

const add = (store: JoinStore<number, number>, side: 'left' | 'right', key: string, atMs: number, id: number) =>
  store.add(side, key, atMs, id, () => undefined);

test('what comes and goes between two commits is not written', () => {
  const store = definitionOf('inner').create('test');
  store.advance(0);
  add(store, 'left', 'a', 0, 1);
  store.advance(1_000);
  store.close(() => undefined);
  assert.deepEqual(store.drainChanges(), []);
});

test('pairs come by the time of the partner and bear the later time; what is alone comes when it closes', () => {
  const store = definitionOf('outer').create('test');
  const found: unknown[] = [];
  const onPair = (left: number, right: number, atMs: number) => found.push([left, right, atMs]);
  store.advance(100);
  store.add('left', 'a', 100, 1, onPair);
  store.add('left', 'a', 90, 2, onPair);
  store.add('left', 'b', 80, 3, onPair);
  store.add('right', 'a', 95, 4, onPair);
  assert.deepEqual(found.splice(0), [
    [2, 4, 95],
    [1, 4, 100],
  ]);
  store.advance(170); // 80 + 50 after + 40 grace: a partner of the third may still come
  store.close((key, atMs, left, right) => found.push([key, atMs, left, right]));
  assert.equal(found.length, 0);
  store.advance(171);
  store.close((key, atMs, left, right) => found.push([key, atMs, left, right]));
  assert.deepEqual(found, [['b', 80, 3, undefined]]);
});

test('the store can be looked into by key', () => {
  const store = definitionOf('outer').create('test');
  store.advance(0);
  add(store, 'left', 'a', 0, 1);
  add(store, 'right', 'a', -5, 2);
  add(store, 'left', 'b', 0, 3);
  assert.deepEqual([store.keys(1), store.keys(9), store.size], [['a'], ['a', 'b'], 2]);
  assert.deepEqual(store.inspect('a'), {
    left: [{ atMs: 0, value: 1, matched: true }],
    right: [{ atMs: -5, value: 2, matched: true }],
  });
  assert.equal(store.inspect('c'), undefined);
});

test('a store at its limit fails and says what to do', () => {
  const store = definitionOf('inner', { eventsPerKeyMax: 2, keysMax: 1 }).create('test');
  store.advance(0);
  add(store, 'left', 'a', 0, 1);
  add(store, 'left', 'a', 0, 2);
  add(store, 'right', 'a', 0, 3);
  assert.throws(() => add(store, 'left', 'a', 0, 4), {
    code: 'store-full',
    message: /2 left events of key a.*eventsPerKeyMax/,
  });
  assert.throws(() => add(store, 'right', 'b', 0, 5), { code: 'store-full', message: /1 keys.*keysMax/ });
});

test('a record that is no event of a join says so', () => {
  const store = definitionOf('inner').create('test');
  for (const [key, value] of [
    ['a', Buffer.alloc(20)],
    ['L1\0a', Buffer.alloc(3)],
  ] as const)
    assert.throws(() => store.restore(key, value), { code: 'changelog-corrupt', message: /store test/ });
});

test('a window that makes no sense is refused', () => {
  assert.throws(
    () =>
      joinStore({
        kind: 'inner',
        beforeMs: -1,
        afterMs: 0,
        graceMs: 0,
        left: json,
        right: json,
        eventsPerKeyMax: 1,
        keysMax: 1,
      }),
    {
      code: 'invalid-topology',
      message: /beforeMs is -1/,
    },
  );
});
