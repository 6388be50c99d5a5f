import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { aggregateOf, count, SessionStore, session, sum } from '../../src/index.ts';
import { Changelog } from '../support/changelog.ts';

interface Event {
  readonly key: string;
  readonly atMs: number;
  readonly amount: number;
}

interface Row {
  readonly key: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly events: number;
  readonly total: number;
}

const KEYS = ['a', 'b', 'c\u00001'];
const GAP_MS = 10;
const ENDLESS = 1e12;

const create = (graceMs: number, lengthMsMax = ENDLESS) =>
  new SessionStore('test', {
    windows: session({ gapMs: GAP_MS, lengthMsMax }),
    aggregation: aggregateOf({ events: count(), total: sum(({ amount }: Event) => amount) }),
    graceMs,
    keysMax: KEYS.length,
    sessionsPerKeyMax: 1_000,
  });

/** Sessions from all events that are in none that has closed: sorted, and cut where the gap is. */
class BruteForce {
  readonly #graceMs: number;
  #events: Event[] = [];
  #streamTimeMs = Number.NEGATIVE_INFINITY;

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** The sessions that close, in order of their ends. */
  advance(streamTimeMs: number): Row[] {
    this.#streamTimeMs = Math.max(this.#streamTimeMs, streamTimeMs);
    const closing = KEYS.flatMap((key) => sessionsOf(this.#events, key)).filter((row) => this.#isClosed(row));
    this.#events = this.#events.filter((event) => !closing.some((row) => holds(row, event)));
    return closing.sort((x, y) => x.endMs - y.endMs);
  }

  /** The session that the event is in, and what it was made of; undefined when it has closed. */
  add(event: Event): { row: Row; replaced: Row[] } | undefined {
    const before = sessionsOf(this.#events, event.key);
    const row = sessionsOf([...this.#events, event], event.key).find((one) => holds(one, event));
    if (row === undefined || this.#isClosed(row)) return undefined;
    this.#events.push(event);
    return { row, replaced: before.filter(({ startMs }) => row.startMs <= startMs && startMs < row.endMs) };
  }

  open(key: string): Row[] {
    return sessionsOf(this.#events, key);
  }

  #isClosed({ endMs }: Row): boolean {
    return endMs + this.#graceMs <= this.#streamTimeMs;
  }
}

const holds = ({ key, startMs, endMs }: Row, event: Event): boolean =>
  event.key === key && startMs <= event.atMs && event.atMs < endMs;

function sessionsOf(events: readonly Event[], key: string): Row[] {
  const rows: Row[] = [];
  for (const { atMs, amount } of events.filter((event) => event.key === key).toSorted((x, y) => x.atMs - y.atMs)) {
    const last = rows.at(-1);
    if (last === undefined || atMs >= last.endMs)
      rows.push({ key, startMs: atMs, endMs: atMs + GAP_MS, events: 1, total: amount });
    else rows[rows.length - 1] = { ...last, endMs: atMs + GAP_MS, events: last.events + 1, total: last.total + amount };
  }
  return rows;
}

interface Step extends Omit<Event, 'atMs'> {
  /** By how much stream time moves on before the event. */
  readonly onMs: number;
  readonly behindMs: number;
  /** What happens after the event. */
  readonly next: 'nothing' | 'commit' | 'commit and restart' | 'crash';
}

const someSteps = fc.array(
  fc.record<Step>({
    key: fc.constantFrom(...KEYS),
    onMs: fc.oneof(
      { weight: 20, arbitrary: fc.integer({ min: 0, max: 8 }) },
      { weight: 2, arbitrary: fc.integer({ min: 0, max: 200 }) },
      { weight: 1, arbitrary: fc.constant(40_000_000_000) },
    ),
    behindMs: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 60 })),
    amount: fc.integer({ min: -1_000, max: 1_000 }),
    next: fc.oneof(
      { weight: 6, arbitrary: fc.constant('nothing' as const) },
      { weight: 3, arbitrary: fc.constant('commit' as const) },
      { weight: 1, arbitrary: fc.constant('commit and restart' as const) },
      { weight: 1, arbitrary: fc.constant('crash' as const) },
    ),
  }),
  { maxLength: 150 },
);

const someOptions = fc.record({
  graceMs: fc.constantFrom(0, 5, 40),
  startMs: fc.constantFrom(-300, 0, 1_700_000_000_000),
  onUpdate: fc.boolean(),
  compacted: fc.boolean(),
});

const byKey = (x: Row, y: Row) => x.endMs - y.endMs || (x.key < y.key ? -1 : x.key > y.key ? 1 : 0);

test('sessions are those that all events, sorted and cut at the gaps, make up, late or not, whenever the task is rebuilt', () => {
  fc.assert(
    fc.property(someOptions, someSteps, ({ graceMs, startMs, onUpdate, compacted }, steps) => {
      const changelog = new Changelog();
      let store = create(graceMs);
      let expected = new BruteForce(graceMs);
      let timeMs: number = startMs;
      // What has happened, and how much of it is committed: a new task begins from there.
      const history: { readonly timeMs: number; readonly event: Event }[] = [];
      let committed = 0;
      const rebuild = () => {
        store = create(graceMs);
        changelog.restore(store, compacted);
        history.length = committed;
        timeMs = history.at(-1)?.timeMs ?? Number.NEGATIVE_INFINITY;
        store.advance(timeMs);
        expected = new BruteForce(graceMs);
        for (const happened of history) {
          expected.advance(happened.timeMs);
          expected.add(happened.event);
        }
        if (history.length === 0) timeMs = startMs;
      };
      for (const { key, onMs, behindMs, amount, next } of steps) {
        timeMs += onMs;
        const event = { key, atMs: timeMs - behindMs, amount };
        store.advance(timeMs);
        const closing = expected.advance(timeMs);
        if (!onUpdate) {
          const closed: Row[] = [];
          store.close(timeMs, (closedKey, window, result) => closed.push({ key: closedKey, ...window, ...result }));
          const ends = closed.map(({ endMs }) => endMs);
          assert.deepEqual(
            ends,
            ends.toSorted((x, y) => x - y),
          );
          assert.deepEqual(closed.sort(byKey), closing.sort(byKey));
        }

        const mutations = store.mutations;
        const updates: { row: Row; replaced: unknown }[] = [];
        const added = store.add(key, event.atMs, event, (window, result, replaced) =>
          updates.push({ row: { key, ...window, ...result }, replaced }),
        );
        const update = expected.add(event);
        const replaced = update?.replaced.map(({ startMs: start, endMs }) => ({ startMs: start, endMs }));
        assert.deepEqual(updates, update === undefined ? [] : [{ row: update.row, replaced }]);
        assert.equal(added, update === undefined ? 'late' : 'added');
        assert.equal(store.mutations > mutations, added === 'added');
        history.push({ timeMs, event });

        for (const one of KEYS) {
          const open = store.windowsOf(one).map(({ window, result }) => ({ key: one, ...window, ...result }));
          assert.deepEqual(open, expected.open(one));
          for (const { startMs: start, events, total } of open)
            assert.deepEqual(store.get(one, start), { events, total });
          assert.equal(store.get(one, timeMs + 1), undefined);
        }
        if (next === 'commit' || next === 'commit and restart') {
          changelog.take(store);
          committed = history.length;
        }
        if (next === 'commit and restart' || next === 'crash') rebuild();
      }
    }),
    { numRuns: 300 },
  );
});

test('with a greatest length no session is longer, and every event that was added is in exactly one', () => {
  const someEvents = fc.array(
    fc.record({ onMs: fc.integer({ min: 0, max: 8 }), behindMs: fc.integer({ min: 0, max: 50 }), drain: fc.boolean() }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(someEvents, fc.constantFrom(1, 7, 20, 35), (events, lengthMsMax) => {
      let store = create(20, lengthMsMax);
      const changelog = new Changelog();
      let [timeMs, added, events1] = [1_000, 0, 0];
      const check = (startMs: number, endMs: number, n: number) => {
        assert.ok(endMs - GAP_MS - startMs <= lengthMsMax);
        events1 += n;
      };
      for (const { onMs, behindMs, drain } of events) {
        timeMs += onMs;
        store.advance(timeMs);
        store.close(timeMs, (_, { startMs, endMs }, result) => check(startMs, endMs, result.events));
        const event = { key: 'a', atMs: timeMs - behindMs, amount: 1 };
        if (store.add('a', event.atMs, event) === 'added') added += 1;
        if (!drain) continue;
        changelog.take(store);
        const before = store.windowsOf('a');
        store = create(20, lengthMsMax);
        changelog.restore(store, true);
        store.advance(timeMs);
        assert.deepEqual(store.windowsOf('a'), before);
      }
      store.advance(1e9);
      store.close(1e9, (_, { startMs, endMs }, result) => check(startMs, endMs, result.events));
      assert.equal(events1, added);
      assert.equal(store.size, 0);
    }),
  );
});

test('a session that would not end is cut at its greatest length', () => {
  const store = create(0, 100);
  const closed: [number, number, number][] = [];
  for (let timeMs = 0; timeMs <= 400; timeMs += 5) {
    store.advance(timeMs);
    store.close(timeMs, (_, { startMs, endMs }, { events }) => closed.push([startMs, endMs, events]));
    store.add('a', timeMs, { key: 'a', atMs: timeMs, amount: 1 });
  }
  assert.deepEqual(closed, [
    [0, 110, 21],
    [105, 215, 21],
    [210, 320, 21],
  ]);
});

test('the changelog forgets sessions that were merged, and keys without a session', () => {
  const store = create(100);
  const changelog = new Changelog();
  store.advance(100);
  for (const atMs of [100, 80, 60]) store.add('a', atMs, { key: 'a', atMs, amount: 1 });
  changelog.take(store);
  assert.equal(changelog.live.size, 3);
  for (const atMs of [90, 70]) store.add('a', atMs, { key: 'a', atMs, amount: 1 });
  assert.deepEqual(
    store.windowsOf('a').map(({ window }) => [window.startMs, window.endMs]),
    [
      [60, 70],
      [70, 80],
      [80, 90],
      [90, 100],
      [100, 110],
    ],
  );
  for (const atMs of [65, 75, 85, 95]) store.add('a', atMs, { key: 'a', atMs, amount: 1 });
  changelog.take(store);
  assert.equal(changelog.live.size, 1);
  const restored = create(100);
  changelog.restore(restored, true);
  restored.advance(100);
  assert.deepEqual(restored.inspect('a'), [{ window: { startMs: 60, endMs: 110 }, result: { events: 9, total: 9 } }]);
  restored.advance(1_000);
  restored.advance(1_001);
  changelog.take(restored);
  assert.deepEqual([changelog.live.size, restored.size, restored.keys(1)], [0, 0, []]);
});

test('a store at its limit of keys or of sessions of a key says so', () => {
  const store = new SessionStore('test', {
    windows: session({ gapMs: 10, lengthMsMax: 100 }),
    aggregation: count(),
    graceMs: 1_000,
    keysMax: 1,
    sessionsPerKeyMax: 2,
  });
  store.advance(500);
  store.add('a', 500, undefined);
  store.add('a', 400, undefined);
  assert.throws(() => store.add('a', 300, undefined), { code: 'store-full', message: /sessionsPerKeyMax/ });
  assert.throws(() => store.add('b', 500, undefined), { code: 'store-full', message: /keysMax/ });
  assert.equal(store.add('a', 395, undefined), 'added');
  assert.equal(store.windowsOf('a').length, 2);
});

test('records of something else are refused as a corrupt changelog', () => {
  const bytes = (...doubles: number[]) => Buffer.from(new Float64Array(doubles).buffer);
  for (const value of [
    bytes(1, 2),
    bytes(1, 2, 3),
    bytes(1, 2, 3, 4, 5),
    bytes(Number.NaN, 2, 3, 4),
    bytes(1, Infinity, 3, 4),
    Buffer.alloc(1),
  ])
    assert.throws(() => create(0).restore('k\u00000', value), { code: 'changelog-corrupt' });
});
