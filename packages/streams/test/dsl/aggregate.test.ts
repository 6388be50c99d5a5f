import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  aggregateOf,
  count,
  createTestDriver,
  hopping,
  type Stage,
  session,
  streamBuilder,
  sum,
  type TestDriver,
  tumbling,
} from '../../src/index.ts';
import { type Happened, happenedTopic } from '../support/happened.ts';

const GRACE_MS = 20;
const SIZE_MS = 60;
const ADVANCE_MS = 20;
const input = happenedTopic('input');
const late = happenedTopic('late');
const output = happenedTopic<Omit<Happened, 'amount'> & { readonly says: unknown }>('output');

const totals = aggregateOf({ n: count(), sum: sum(({ amount }: Happened) => amount) });
type Totals = { readonly n: number; readonly sum: number };
type Row = readonly [key: string, startMs: number, endMs: number, n: number, sum: number];

function createDriver(define: (stage: Stage) => void): TestDriver {
  const builder = streamBuilder('test');
  define(builder.stage('stage', { graceMs: GRACE_MS, onError: 'stop' }));
  return createTestDriver(builder.build());
}
const toRow = ({
  key,
  window: { startMs, endMs },
  result,
}: {
  key: string;
  window: { startMs: number; endMs: number };
  result: Totals;
}) => ({ id: '', key, atMs: endMs, says: [key, startMs, endMs, result.n, result.sum] satisfies Row });
const rowsOf = (driver: TestDriver): Row[] => driver.output<{ says: Row }>(output.name).map(({ says }) => says);
const pipe = (driver: TestDriver, id: string, key: string, atMs: number, amount = 1) =>
  driver.pipe(input.name, { value: { id, key, atMs, amount } });

interface Event extends Happened {
  readonly restart: boolean;
}
const someEvents = fc
  .array(
    fc.record({
      key: fc.constantFrom('a', 'b'),
      step: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 25 }) }, fc.integer({ min: 0, max: 400 })),
      behind: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 120 })),
      amount: fc.integer({ min: -9, max: 9 }),
      restart: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
    { maxLength: 80 },
  )
  .map((steps) => {
    let now = -300;
    return steps.map(({ step, behind, ...event }, index): Event => {
      now += step;
      return { ...event, id: `e${index}`, atMs: now - behind };
    });
  });

/** Windows `[start, start + size)` at the multiples of the advance; an event counts in those that are open when it comes. */
function bruteForce(events: readonly Event[]): { closed: Row[]; updates: Row[]; late: string[] } {
  const windows = new Map<string, Row>();
  const found: { updates: Row[]; late: string[] } = { updates: [], late: [] };
  let streamTimeMs = Number.NEGATIVE_INFINITY;
  for (const { id, key, atMs, amount } of events) {
    streamTimeMs = Math.max(streamTimeMs, atMs);
    let counted = false;
    for (let startMs = -1_000; startMs <= atMs; startMs += ADVANCE_MS) {
      const endMs = startMs + SIZE_MS;
      if (atMs >= endMs || endMs + GRACE_MS <= streamTimeMs) continue;
      const [, , , n, total] = windows.get(`${key} ${startMs}`) ?? [key, startMs, endMs, 0, 0];
      const row: Row = [key, startMs, endMs, n + 1, total + amount];
      windows.set(`${key} ${startMs}`, row);
      found.updates.push(row);
      counted = true;
    }
    if (!counted) found.late.push(id);
  }
  return { closed: [...windows.values()], ...found };
}
const sorted = (rows: readonly Row[]): Row[] =>
  rows.toSorted(([a, startMs], [b, otherMs]) => startMs - otherMs || (a < b ? -1 : 1));

for (const emit of ['on-close', 'on-update'] as const) {
  test(`hopping windows ${emit}: results and late events are those of brute force, whatever restarts there are`, () => {
    fc.assert(
      fc.property(someEvents, (events) => {
        const driver = createDriver((stage) => {
          const perWindow = stage.stream(input).aggregate('totals', {
            windows: hopping({ sizeMs: SIZE_MS, advanceMs: ADVANCE_MS }),
            aggregation: totals,
            emit,
            keysMax: 10,
          });
          perWindow.map(toRow).to(output);
          perWindow.late.to(late);
        });
        for (const { restart, ...value } of events) {
          if (restart) driver.restart();
          driver.pipe(input.name, { value });
        }
        driver.advanceTo(1_000_000);
        const wanted = bruteForce(events);
        const rows = rowsOf(driver);
        if (emit === 'on-close') assert.deepEqual(sorted(rows), sorted(wanted.closed));
        else assert.deepEqual(rows, wanted.updates);
        assert.deepEqual(
          driver.output<Happened>(late.name).map(({ id }) => id),
          wanted.late,
        );
      }),
    );
  });
}

test('windows close in the order of their ends, before the record that moved time is counted', () => {
  const driver = createDriver((stage) => {
    const windows = tumbling({ sizeMs: 100 });
    stage
      .stream(input)
      .aggregate('totals', { windows, aggregation: totals, emit: 'on-close', keysMax: 10 })
      .map(toRow)
      .to(output);
    stage
      .stream(input)
      .map((value) => ({ ...value, says: value.id }))
      .to(output);
  });
  pipe(driver, 'e1', 'a', 115);
  pipe(driver, 'e2', 'b', 99);
  pipe(driver, 'e3', 'a', 220, 5);
  assert.deepEqual(rowsOf(driver), ['e1', 'e2', ['b', 0, 100, 1, 1], ['a', 100, 200, 1, 1], 'e3']);
});

test('sessions on update say which sessions they replace, on close each comes once', () => {
  const windows = session({ gapMs: 10, lengthMsMax: 1_000 });
  const limits = { aggregation: totals, keysMax: 10, sessionsPerKeyMax: 10, graceMs: 50 };
  const driver = createDriver((stage) => {
    stage
      .stream(input)
      .aggregate('updates', { windows, ...limits, emit: 'on-update' })
      .map(({ key, window, result: { n }, replaced }) => ({
        id: '',
        key,
        atMs: window.startMs,
        says: [n, window, replaced],
      }))
      .to(output);
    stage
      .stream(input)
      .aggregate('closed', { windows, ...limits, emit: 'on-close' })
      .map(toRow)
      .to(output);
  });
  pipe(driver, 'e1', 'a', 100);
  pipe(driver, 'e2', 'a', 112);
  driver.restart();
  pipe(driver, 'e3', 'a', 105);
  driver.advanceTo(1_000);
  assert.deepEqual(rowsOf(driver), [
    [1, { startMs: 100, endMs: 110 }, []],
    [1, { startMs: 112, endMs: 122 }, []],
    [
      3,
      { startMs: 100, endMs: 122 },
      [
        { startMs: 100, endMs: 110 },
        { startMs: 112, endMs: 122 },
      ],
    ],
    ['a', 100, 122, 3, 3],
  ]);
});

test('windows of windows take a result at the last moment of its window', () => {
  const driver = createDriver((stage) => {
    const perWindow = { aggregation: totals, emit: 'on-close', keysMax: 10 } as const;
    stage
      .stream(input)
      .aggregate('short', { ...perWindow, windows: tumbling({ sizeMs: 100 }) })
      .map(({ key, result }) => ({ id: '', key, atMs: 0, amount: result.sum }))
      // What closes late must still find its window open.
      .aggregate('long', { ...perWindow, windows: tumbling({ sizeMs: 200 }), graceMs: 2 * GRACE_MS })
      .map(toRow)
      .to(output);
  });
  for (const [id, atMs, amount] of [
    ['e1', 50, 1],
    ['e2', 150, 2],
    ['e3', 200, 4],
  ] as const)
    pipe(driver, id, 'a', atMs, amount);
  driver.advanceTo(239);
  assert.deepEqual(rowsOf(driver), []);
  driver.advanceTo(240);
  assert.deepEqual(rowsOf(driver), [['a', 0, 200, 2, 3]]);
});
