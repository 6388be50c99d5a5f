import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  aggregateOf,
  count,
  createTestDriver,
  type Stage,
  streamBuilder,
  sum,
  type TestDriver,
} from '../../src/index.ts';
import { type Happened, happenedTopic } from '../support/happened.ts';

const OPTIONS = { graceMs: 1_000, onError: 'stop' } as const;
const ROWS = { entriesMax: 100 };
const core = happenedTopic('core');
const risk = happenedTopic('risk');
const place = happenedTopic('place');
const input = happenedTopic('input');
const output = happenedTopic<Omit<Happened, 'amount'> & { readonly says: unknown }>('output');
const rows = happenedTopic('rows');

const happened = (id: string, key: string, atMs: number, amount = 0): Happened => ({ id, key, atMs, amount });
const saying = ({ id, key, atMs }: Happened, says: unknown) => ({ id, key, atMs, says });

function createDriver(define: (stage: Stage) => void): TestDriver {
  const builder = streamBuilder('test');
  define(builder.stage('stage', OPTIONS));
  return createTestDriver(builder.build());
}
const pipe = (driver: TestDriver, topic: { readonly name: string }, value: Happened) =>
  driver.pipe(topic.name, { value });
const forget = (driver: TestDriver, topic: { readonly name: string }, key: string, timestampMs: number) =>
  driver.pipe(topic.name, { value: null, key, timestampMs });
const said = (driver: TestDriver): unknown[] =>
  driver.output<{ id: string; says: unknown }>(output.name).map(({ id, says }) => [id, says]);

test('a stream meets the row that its key has when it comes', () => {
  const driver = createDriver((stage) => {
    const table = stage.table('core', core, ROWS);
    stage
      .stream(input)
      .join(table, (value, row) => saying(value, row.amount))
      .to(output);
    stage
      .stream(input)
      .leftJoin(table, (value, row) => saying(value, row?.amount ?? 'nothing'))
      .to(output);
  });
  pipe(driver, input, happened('e1', 'a', 10));
  pipe(driver, core, happened('r1', 'a', 20, 1));
  pipe(driver, input, happened('e2', 'a', 30));
  driver.restart();
  pipe(driver, core, happened('r2', 'a', 40, 2));
  pipe(driver, input, happened('e3', 'a', 50));
  pipe(driver, input, happened('e4', 'b', 50));
  forget(driver, core, 'a', 60);
  driver.restart();
  pipe(driver, input, happened('e5', 'a', 70));
  assert.deepEqual(said(driver), [
    ['e1', 'nothing'],
    ['e2', 1],
    ['e2', 1],
    ['e3', 2],
    ['e3', 2],
    ['e4', 'nothing'],
    ['e5', 'nothing'],
  ]);
});

test('a stream meets the version of a global row that held at its time, under any key', () => {
  const driver = createDriver((stage) => {
    const global = stage.global(place);
    const keyOf = ({ amount }: Happened) => (amount === 0 ? undefined : `p${amount}`);
    stage
      .stream(input)
      .join(global, keyOf, (value, row) => saying(value, row.id))
      .to(output);
    stage
      .stream(input)
      .leftJoin(global, keyOf, (value, row) => saying(value, row === undefined))
      .to(output);
  });
  pipe(driver, place, happened('first', 'p1', 10));
  pipe(driver, place, happened('second', 'p1', 20));
  pipe(driver, input, happened('e1', 'a', 25, 1));
  pipe(driver, input, happened('e2', 'a', 15, 1));
  pipe(driver, input, happened('e3', 'a', 25, 2));
  pipe(driver, input, happened('e4', 'a', 25, 0));
  assert.deepEqual(said(driver), [
    ['e1', 'second'],
    ['e1', false],
    ['e2', 'first'],
    ['e2', false],
    ['e3', true],
    ['e4', true],
  ]);
});

test('a table is written with its tombstones, and is a stream of its rows', () => {
  const driver = createDriver((stage) => {
    const table = stage.table('core', core, ROWS);
    table.to(rows);
    table
      .toStream()
      .map((row) => saying(row, row.amount))
      .to(output);
  });
  pipe(driver, core, happened('r1', 'a', 10, 1));
  pipe(driver, core, happened('r2', 'a', 20, 2));
  forget(driver, core, 'a', 30);
  forget(driver, core, 'a', 40);
  forget(driver, core, 'never there', 50);
  assert.deepEqual(
    driver.records(rows.name).map(({ key, value, timestampMs }) => [key, value === null, timestampMs]),
    [
      ['a', false, 10],
      ['a', false, 20],
      ['a', true, 30],
    ],
  );
  assert.deepEqual(said(driver), [
    ['r1', 1],
    ['r2', 2],
  ]);
});

test('a row expires, and a table at its limit fails', () => {
  const driver = createDriver((stage) => {
    const table = stage.table('core', core, { entriesMax: 1, ttlMs: 100 });
    stage.stream(input).join(table, saying).to(output);
  });
  pipe(driver, core, happened('r1', 'a', 10));
  assert.throws(() => pipe(driver, core, happened('r2', 'b', 20)), { code: 'processor-failed', message: /entriesMax/ });
  pipe(driver, input, happened('e1', 'a', 109));
  pipe(driver, input, happened('e2', 'a', 110));
  assert.deepEqual(
    driver.output<Happened>(output.name).map(({ id }) => id),
    ['e1'],
  );
});

const SOURCES = { core, risk, place };
type Source = keyof typeof SOURCES;
const someChanges = fc.array(
  fc.record({
    source: fc.constantFrom<Source>('core', 'risk', 'place'),
    key: fc.constantFrom('a', 'b'),
    amount: fc.option(fc.integer({ min: 0, max: 99 })),
    restart: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  }),
  { maxLength: 60 },
);

function profiles(): TestDriver {
  return createDriver((stage) => {
    const tables = {
      core: stage.table('core', core, ROWS),
      risk: stage.table('risk', risk, ROWS),
      place: stage.table('place', place, ROWS),
    };
    const profile = stage.joinTables('profile', tables, (known) => ({
      id: 'profile',
      key: (known.core ?? known.risk ?? known.place)?.key ?? '',
      atMs: 0,
      says: [known.core?.amount ?? null, known.risk?.amount ?? null, known.place?.amount ?? null],
    }));
    profile.to(output);
    stage
      .stream(input)
      .leftJoin(profile, (value, row) => ({ ...value, id: JSON.stringify(row?.says ?? null) }))
      .to(rows);
  });
}

test('a joined table follows each change of its sources, and goes with the last of them', () => {
  fc.assert(
    fc.property(someChanges, (changes) => {
      const driver = profiles();
      const known = new Map<string, Map<Source, number>>([
        ['a', new Map()],
        ['b', new Map()],
      ]);
      const says = (own: Map<Source, number> | undefined): unknown =>
        own === undefined || own.size === 0
          ? null
          : [own.get('core') ?? null, own.get('risk') ?? null, own.get('place') ?? null];
      const wanted: unknown[] = [];
      changes.forEach(({ source, key, amount, restart }, atMs) => {
        if (restart) driver.restart();
        const own = known.get(key);
        if (amount === null) {
          forget(driver, SOURCES[source], key, atMs);
          if (own?.delete(source)) wanted.push([key, says(own)]);
        } else {
          pipe(driver, SOURCES[source], happened(`r${atMs}`, key, atMs, amount));
          own?.set(source, amount);
          wanted.push([key, says(own)]);
        }
        pipe(driver, input, happened('look', key, atMs));
        assert.deepEqual(
          driver.output<Happened>(rows.name).map(({ id }) => JSON.parse(id)),
          [says(own)],
        );
      });
      const written = driver.records(output.name).map(({ key, value }) => {
        const row = value === null ? null : (JSON.parse(String(value)) as { key: string; says: unknown });
        assert.equal(row?.key ?? key, key);
        return [key, row?.says ?? null];
      });
      assert.deepEqual(written, wanted);
    }),
  );
});

test('a running aggregate is a table that outlives a restart', () => {
  const driver = createDriver((stage) => {
    const totals = stage.stream(core).aggregate('totals', {
      aggregation: aggregateOf({ n: count(), sum: sum((v: Happened) => v.amount) }),
      keysMax: 10,
    });
    stage
      .stream(input)
      .leftJoin(totals, (value, total) => saying(value, total ?? 'nothing'))
      .to(output);
    totals
      .toStream()
      .map((says) => ({ id: 'update', key: '', atMs: 0, says }))
      .to(output);
  });
  pipe(driver, core, happened('e1', 'a', 10, 5));
  pipe(driver, core, happened('e2', 'b', 20, 1));
  driver.restart();
  pipe(driver, core, happened('e3', 'a', 30, 7));
  pipe(driver, input, happened('e4', 'a', 40));
  pipe(driver, input, happened('e5', 'c', 40));
  assert.deepEqual(said(driver), [
    ['update', { n: 1, sum: 5 }],
    ['update', { n: 1, sum: 1 }],
    ['update', { n: 2, sum: 12 }],
    ['e4', { n: 2, sum: 12 }],
    ['e5', 'nothing'],
  ]);
});

test('state under a changed key is refused until the records have been repartitioned', () => {
  const stage = streamBuilder('test').stage('stage', OPTIONS);
  const table = stage.table('core', core, ROWS);
  const rekeyed = stage.stream(input).selectKey(({ id }) => id);
  const refused = { code: 'invalid-topology', message: /stage stage gives \w+ records under a new key \(selectKey\)/ };
  assert.throws(() => rekeyed.join(table, saying), refused);
  assert.throws(
    () =>
      rekeyed
        .filter(() => true)
        .merge(stage.stream(risk))
        .aggregate('n', { aggregation: count(), keysMax: 1 }),
    {
      ...refused,
      message: /new key \(merge\)/,
    },
  );
  assert.throws(
    () =>
      stage
        .stream(risk)
        .joinWindow(
          rekeyed,
          { name: 'pairs', kind: 'inner', beforeMs: 0, afterMs: 0, eventsPerKeyMax: 1, keysMax: 1 },
          saying,
        ),
    refused,
  );
  rekeyed.join(stage.global(place), ({ id }) => id, saying);
});
