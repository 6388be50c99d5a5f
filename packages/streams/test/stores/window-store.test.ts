import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { aggregateOf, count, hopping, reduce, sum, type TimeWindows, tumbling, WindowStore } from '../../src/index.ts';
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

const KEYS = ['a', 'b', 'c', 'd\u00001'];
const numeric = () => aggregateOf({ events: count(), total: sum(({ amount }: Event) => amount) });
/** The same, in objects that are changed in place. */
const objects = () =>
  reduce<Event, { events: number; total: number }>({
    create: () => ({ events: 0, total: 0 }),
    add: (own, { amount }) => Object.assign(own, { events: own.events + 1, total: own.total + amount }),
    merge: (own, other) => Object.assign(own, { events: own.events + other.events, total: own.total + other.total }),
    encode: JSON.stringify,
    decode: (bytes) => JSON.parse(bytes.toString('utf8')),
  });

/** Windows from plain lists of events. An event counts in the windows that are open when it comes. */
class BruteForce {
  readonly #windows: TimeWindows;
  readonly #graceMs: number;
  readonly #rows: (Row & { closed: boolean })[] = [];
  #streamTimeMs = Number.NEGATIVE_INFINITY;

  constructor(windows: TimeWindows, graceMs: number) {
    this.#windows = windows;
    this.#graceMs = graceMs;
  }

  /** The windows that close, in order of their ends. */
  advance(streamTimeMs: number): Row[] {
    this.#streamTimeMs = Math.max(this.#streamTimeMs, streamTimeMs);
    const closing = this.#rows.filter((row) => !row.closed && row.endMs + this.#graceMs <= this.#streamTimeMs);
    for (const row of closing) row.closed = true;
    return closing.map(({ closed, ...row }) => row).sort((x, y) => x.endMs - y.endMs);
  }

  /** The windows that the event counts in. */
  add({ key, atMs, amount }: Event): Row[] {
    const { sizeMs, advanceMs } = this.#windows;
    const updated: Row[] = [];
    for (let startMs = Math.floor(atMs / advanceMs) * advanceMs - sizeMs; startMs <= atMs; startMs += 1) {
      const endMs = startMs + sizeMs;
      const holds = startMs % advanceMs === 0 && startMs <= atMs && atMs < endMs;
      if (!holds || endMs + this.#graceMs <= this.#streamTimeMs) continue;
      const index = this.#rows.findIndex((row) => row.key === key && row.startMs === startMs);
      const before = this.#rows[index];
      const row = { key, startMs, endMs, events: (before?.events ?? 0) + 1, total: (before?.total ?? 0) + amount };
      this.#rows[before === undefined ? this.#rows.length : index] = { ...row, closed: false };
      updated.push(row);
    }
    return updated;
  }

  open(key: string): Row[] {
    return this.#rows
      .filter((row) => row.key === key && !row.closed)
      .map(({ closed, ...row }) => row)
      .sort((x, y) => x.startMs - y.startMs);
  }
}

interface Step {
  readonly key: string;
  /** By how much stream time moves on before the event. */
  readonly onMs: number;
  readonly behindMs: number;
  readonly amount: number;
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
    behindMs: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 60 })),
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
  windows: fc.constantFrom(
    tumbling({ sizeMs: 10 }),
    hopping({ sizeMs: 10, advanceMs: 2 }),
    hopping({ sizeMs: 9, advanceMs: 6 }), // panes of 3
    hopping({ sizeMs: 10, advanceMs: 7 }), // panes of 1
    hopping({ sizeMs: 30, advanceMs: 1 }),
  ),
  graceMs: fc.constantFrom(0, 5, 40),
  startMs: fc.constantFrom(-300, 0, 1_700_000_000_000),
  onUpdate: fc.boolean(),
  inObjects: fc.boolean(),
  compacted: fc.boolean(),
});

const byKeyAndStart = (x: Row, y: Row) => x.endMs - y.endMs || (x.key < y.key ? -1 : x.key > y.key ? 1 : 0);

test('windows are those that a look through all events finds, late or not, whenever the task is rebuilt', () => {
  fc.assert(
    fc.property(someOptions, someSteps, ({ windows, graceMs, startMs, onUpdate, inObjects, compacted }, steps) => {
      const create = () =>
        new WindowStore<Event, { events: number; total: number }>('test', {
          windows,
          aggregation: inObjects ? objects() : numeric(),
          graceMs,
          keysMax: KEYS.length,
        });
      const changelog = new Changelog();
      let store = create();
      let expected = new BruteForce(windows, graceMs);
      let timeMs: number = startMs;
      // What has happened, and how much of it is committed: a new task begins from there.
      const history: { readonly timeMs: number; readonly event: Event }[] = [];
      let committed = 0;
      const rebuild = () => {
        store = create();
        changelog.restore(store, compacted);
        history.length = committed;
        timeMs = history.at(-1)?.timeMs ?? Number.NEGATIVE_INFINITY;
        store.advance(timeMs);
        expected = new BruteForce(windows, graceMs);
        for (const happened of history) {
          expected.advance(happened.timeMs);
          expected.add(happened.event);
        }
        if (history.length === 0) timeMs = startMs;
      };
      for (const { key, onMs, behindMs, amount, next } of steps) {
        timeMs += onMs;
        const event = { key, atMs: timeMs - behindMs, amount };
        const closed: Row[] = [];
        store.advance(timeMs);
        if (!onUpdate) {
          store.close(timeMs, (closedKey, window, result) => closed.push({ key: closedKey, ...window, ...result }));
          const ends = closed.map(({ endMs }) => endMs);
          assert.deepEqual(
            ends,
            ends.toSorted((x, y) => x - y),
          );
        }
        const closing = expected.advance(timeMs);
        if (!onUpdate) assert.deepEqual(closed.sort(byKeyAndStart), closing.sort(byKeyAndStart));

        const mutations = store.mutations;
        const updated: Row[] = [];
        const added = store.add(key, event.atMs, event, (window, result) =>
          updated.push({ key, ...window, ...result }),
        );
        const updates = expected.add(event);
        assert.deepEqual(updated, updates);
        assert.equal(added, updates.length === 0 ? 'late' : 'added');
        assert.equal(store.mutations > mutations, added === 'added');
        history.push({ timeMs, event });

        for (const one of KEYS) {
          const open = store.windowsOf(one).map(({ window, result }) => ({ key: one, ...window, ...result }));
          const rows = expected.open(one);
          assert.deepEqual(open, rows);
          for (let start = timeMs - graceMs - 2 * windows.sizeMs; start <= timeMs; start++) {
            const row = rows.find((other) => other.startMs === start);
            assert.deepEqual(store.get(one, start), row && { events: row.events, total: row.total });
          }
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

test('a window that had closed before its last events came is not handed out, however often is asked', () => {
  const store = new WindowStore<unknown, number>('test', {
    windows: hopping({ sizeMs: 20, advanceMs: 10 }),
    aggregation: count(),
    graceMs: 0,
    keysMax: 1,
  });
  const closed: [number, number][] = [];
  const close = (timeMs: number) => store.close(timeMs, (_, { startMs }, events) => closed.push([startMs, events]));
  store.advance(15);
  close(15);
  store.advance(20);
  close(20);
  assert.equal(store.add('k', 12, undefined), 'added'); // for [10, 30) only: [0, 20) has closed
  close(20);
  close(20);
  store.advance(30);
  close(30);
  assert.deepEqual(closed, [[10, 1]]);
});

test('the changelog holds as many records of a key as it had panes at once, and none when all its windows have closed', () => {
  const store = new WindowStore<Event, unknown>('test', {
    windows: hopping({ sizeMs: 100, advanceMs: 10 }),
    aggregation: count(),
    graceMs: 20,
    keysMax: 10,
  });
  const changelog = new Changelog();
  for (let timeMs = 0; timeMs < 10_000; timeMs += 5) {
    store.advance(timeMs);
    store.add('k', timeMs, { key: 'k', atMs: timeMs, amount: 1 });
    if (timeMs < 1_000) store.add('idle', timeMs, { key: 'idle', atMs: timeMs, amount: 1 });
    changelog.take(store);
  }
  // A window and the grace are 12 panes; the one that has begun is the 13th, and the last one to go leaves a step later.
  assert.ok(changelog.live.size <= 14, `${changelog.live.size} records`);
  assert.deepEqual([store.size, store.keys(10), store.inspect('idle')], [1, ['k'], undefined]);
  store.advance(20_000);
  store.advance(20_001);
  changelog.take(store);
  assert.deepEqual([changelog.live.size, store.size], [0, 0]);
});

test('a store at its limit of keys says so, and takes more when windows have closed', () => {
  const store = new WindowStore<unknown, number>('test', {
    windows: tumbling({ sizeMs: 10 }),
    aggregation: count(),
    graceMs: 0,
    keysMax: 1,
  });
  store.advance(5);
  store.add('a', 5, undefined);
  assert.throws(() => store.add('b', 5, undefined), { code: 'store-full', message: /1 keys.*raise keysMax/ });
  assert.equal(store.add('b', -6, undefined), 'late');
  store.advance(10);
  store.close(10, () => undefined);
  store.add('b', 10, undefined);
  assert.equal(store.get('b', 10), 1);
});

test('an event ahead of stream time is a mistake of the program', () => {
  const store = new WindowStore<unknown, number>('test', {
    windows: tumbling({ sizeMs: 10 }),
    aggregation: count(),
    graceMs: 0,
    keysMax: 1,
  });
  assert.throws(() => store.add('a', 0, undefined), { code: 'invalid-topology' });
  store.advance(5);
  assert.throws(() => store.add('a', 6, undefined), { code: 'invalid-topology' });
  assert.throws(() => store.add('a', Number.NaN, undefined), { code: 'invalid-topology' });
  assert.equal(store.mutations, 0);
});

test('when a window that closes cannot be taken, or an event not be added, the store counts as changed', () => {
  const store = new WindowStore<number, number>('test', {
    windows: tumbling({ sizeMs: 10 }),
    aggregation: sum((value) => {
      if (value < 0) throw new Error('negative');
      return value;
    }),
    graceMs: 0,
    keysMax: 1,
  });
  store.advance(5);
  assert.throws(() => store.add('a', 5, -1), /negative/);
  assert.equal(store.mutations, 1);
  store.advance(10);
  assert.throws(() =>
    store.close(10, () => {
      throw new Error('no');
    }),
  );
  assert.equal(store.mutations, 2);
});

test('records of other windows or aggregations are refused as a corrupt changelog', () => {
  const store = new WindowStore('test', {
    windows: tumbling({ sizeMs: 10 }),
    aggregation: count(),
    graceMs: 0,
    keysMax: 1,
  });
  const bytes = (...doubles: number[]) => Buffer.from(new Float64Array(doubles).buffer);
  for (const [key, value] of [
    ['no separator', bytes(10, 1)],
    ['k\u0000one', bytes(10, 1)],
    ['k\u0000-1', bytes(10, 1)],
    ['k\u00001e9', bytes(10, 1)],
    ['k\u00000', bytes(10)],
    ['k\u00000', bytes(11, 1)],
    ['k\u00000', bytes(Number.NaN, 1)],
    ['k\u00000', bytes(Infinity, 1)],
    ['k\u00000', bytes(10, 1, 1)],
    ['k\u00000', Buffer.alloc(3)],
  ] as const)
    assert.throws(() => store.restore(key, value), { code: 'changelog-corrupt', message: /reset/ });
});
