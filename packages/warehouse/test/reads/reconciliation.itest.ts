import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeadLetter, samples } from '@millrace/contracts';
import {
  countHopRows,
  countRepeats,
  findHops,
  HOP,
  readHopHeads,
  readHops,
  readNewestMs,
  reconcileSender,
} from '../../src/index.ts';
import { insert, testWarehouse } from './test-warehouse.ts';

const payment = (transaction_id: string) => ({ ...samples.enrichedPayment, transaction_id, ingested_at: 1000 });
const decision = (transaction_id: string) => ({ ...samples.decision, transaction_id, ingested_at: 1000 });
const raw = (transaction_id: string, ingested_at = 1000) => ({ transaction_id, ingested_at });
const range = (after: number, upTo: number) => [{ partition: 0, after, upTo }];
const reading = (id: number, metric: string) => ({
  device_id: 'd',
  event_time: 1_772_366_400_000 + id,
  sequence: id,
  metric,
  value: 1,
  ingested_at: 1000,
});

test('heads are what lies behind a position', async (t) => {
  const warehouse = await testWarehouse(t);
  const heads = (zero: number, one: number) =>
    readHopHeads(
      warehouse,
      'payments',
      new Map([
        [
          'payments_raw',
          new Map([
            [0, zero],
            [1, one],
          ]),
        ],
        ['payments', new Map([[0, -1]])],
      ]),
    );
  assert.deepEqual(await heads(-1, -1), []);
  await insert(warehouse, 'payments_raw', 5, [raw('a', 1000), raw('b', 2000)]);
  await insert(warehouse, 'payments_raw', 9, [{ ...raw('c', 1500), _partition: 1 }]);
  const table = 'payments_raw';
  const one = { table, partition: 1, first: 9, head: 9, oldestMs: 1500, newestMs: 1500, more: false };
  const both = (await heads(-1, -1)).sort((left, right) => left.partition - right.partition);
  assert.deepEqual(both, [
    { table, partition: 0, first: 5, head: 6, oldestMs: 1000, newestMs: 2000, more: false },
    one,
  ]);
  assert.deepEqual(await heads(6, 8), [one]);
  assert.equal(await readNewestMs(warehouse, { table, ranges: range(-1, 5) }), 1000);
  assert.equal(await readNewestMs(warehouse, { table, ranges: range(6, 9) }), 0);
});

test('a read tells for each event which hops its rows show, and how often it is there', async (t) => {
  const warehouse = await testWarehouse(t);
  await insert(warehouse, 'payments_raw', 0, [raw('a', 900), raw('b')]);
  await insert(warehouse, 'payments', 0, [payment('a'), payment('a'), payment('b')]);
  await insert(warehouse, 'decisions', 0, [decision('a'), decision('b')]);
  const tables = [
    { table: 'payments_raw', ranges: range(-1, 9) },
    { table: 'payments', ranges: range(-1, 9) },
    { table: 'decisions', ranges: range(0, 9) },
  ] as const;
  const sightings = await readHops(warehouse, 'payments', tables);
  const bySince = sightings.toSorted((one, other) => one.sinceMs - other.sinceMs);
  assert.deepEqual(
    bySince.map(({ hash: _, ...rest }) => rest),
    [
      { hops: HOP.raw | HOP.enriched, sinceMs: 900, enrichedRows: 2, enrichedRowsOnce: 1, decidedRows: 0 },
      {
        hops: HOP.raw | HOP.enriched | HOP.decided,
        sinceMs: 1000,
        enrichedRows: 1,
        enrichedRowsOnce: 1,
        decidedRows: 1,
      },
    ],
  );
  const hashes = bySince.map(({ hash }) => hash);
  assert.deepEqual(await findHops(warehouse, 'payments', tables, hashes.slice(0, 1)), bySince.slice(0, 1));
  assert.deepEqual(await findHops(warehouse, 'payments', tables, []), []);
});

test('an event has the same hash in its ledger, in raw, in enriched and in a dead letter', async (t) => {
  const warehouse = await testWarehouse(t);
  const telemetry = { device_id: 'd', event_time: 1_772_366_340_000, sequence: 7, metrics: { temperature: 1 } };
  const letter = (value: object): DeadLetter & { ingested_at: number } => ({
    ...samples.deadLetter,
    origin: { kind: 'kafka', topic: 'x', partition: 0, offset: 0 },
    value_base64: Buffer.from(JSON.stringify(value)).toString('base64'),
    ingested_at: 1000,
  });
  await insert(warehouse, 'payments_raw', 0, [raw('a')]);
  await insert(warehouse, 'telemetry_raw', 0, [{ reading: 'd:1772366340000:7', ingested_at: 1000 }]);
  await insert(warehouse, 'telemetry', 0, [{ ...telemetry, metric: 'temperature', value: 1, ingested_at: 1000 }]);
  await insert(warehouse, 'dead_letters', 0, [
    letter(samples.payment),
    letter({ transaction_id: 'a' }),
    letter(telemetry),
    { ...letter({ transaction_id: 'refused' }), origin: { kind: 'http', path: '/v1/payments' } },
    { ...letter({}), value_base64: Buffer.from('no json').toString('base64') },
  ]);
  const all = (table: 'payments_raw' | 'telemetry_raw' | 'telemetry' | 'dead_letters') => ({
    table,
    ranges: range(-1, 9),
  });
  const payments = await readHops(warehouse, 'payments', [all('payments_raw'), all('dead_letters')]);
  assert.deepEqual(
    payments.map(({ hops }) => hops).sort((one, other) => one - other),
    [HOP.deadLettered, HOP.raw | HOP.deadLettered],
  );
  const readings = await readHops(warehouse, 'telemetry', [
    all('telemetry_raw'),
    all('telemetry'),
    all('dead_letters'),
  ]);
  assert.deepEqual(
    readings.map(({ hops }) => hops),
    [HOP.raw | HOP.enriched | HOP.deadLettered],
  );
});

test('a reading with several metrics is there once; a metric that is there twice is a repeat', async (t) => {
  const warehouse = await testWarehouse(t);
  await insert(warehouse, 'telemetry', 0, [reading(1, 'x'), reading(1, 'y'), reading(2, 'x'), reading(2, 'x')]);
  assert.equal(await countRepeats(warehouse, 'telemetry', { slice: 0, slices: 1 }), 1);
  const slices = await Promise.all(
    [0, 1, 2].map((slice) => countRepeats(warehouse, 'telemetry', { slice, slices: 3 })),
  );
  assert.deepEqual(slices.toSorted(), [0, 0, 1]);
  assert.deepEqual(await countHopRows(warehouse), { payments: 0, decisions: 0, telemetry: 4 });
  const sightings = await readHops(warehouse, 'telemetry', [{ table: 'telemetry', ranges: range(-1, 9) }]);
  assert.deepEqual(sightings.map(({ enrichedRows, enrichedRowsOnce }) => [enrichedRows, enrichedRowsOnce]).sort(), [
    [2, 1],
    [2, 2],
  ]);
});

test('the ledger is read by the time of storing, up to what is surely visible', async (t) => {
  const warehouse = await testWarehouse(t);
  const entry = (id: string, _stored_at: number) => ({
    kind: 'payment',
    id,
    acknowledged_at: 1,
    sender: 's',
    _stored_at,
  });
  const lines = [entry('a', 1000), entry('b', 2000), entry('c', 3000), entry('now', Date.now() + 60_000)];
  await warehouse.insertRows('ledger', Buffer.from(lines.map((line) => JSON.stringify(line)).join('\n')));
  const table = 'ledger';
  const heads = (kind: 'payments' | 'telemetry', after: number) =>
    readHopHeads(warehouse, kind, new Map([[table, new Map([[0, after]])]]));
  assert.deepEqual(await heads('payments', -1), [
    { table, partition: 0, first: 1000, head: 3000, oldestMs: 1000, newestMs: 3000, more: false },
  ]);
  assert.deepEqual(await heads('payments', 2000), [
    { table, partition: 0, first: 3000, head: 3000, oldestMs: 3000, newestMs: 3000, more: false },
  ]);
  assert.deepEqual(await heads('payments', 3000), []);
  assert.deepEqual(await heads('telemetry', -1), []);
  const sightings = await readHops(warehouse, 'payments', [{ table: 'ledger', ranges: range(1000, 3000) }]);
  assert.equal(sightings.length, 2);
});

test("a sender's ledger is compared exactly with what is stored", async (t) => {
  const warehouse = await testWarehouse(t);
  const ledger = ['a', 'a', 'b', 'c', 'd'].map((id) => ({ kind: 'payment', id, acknowledged_at: 1, sender: 'replay' }));
  const others = [{ kind: 'payment', id: 'z', acknowledged_at: 1, sender: 'simulator' }];
  await warehouse.insertRows(
    'ledger',
    Buffer.from([...ledger, ...others].map((row) => JSON.stringify(row)).join('\n')),
  );
  await insert(warehouse, 'payments_raw', 0, [raw('a'), raw('a'), raw('b'), raw('c'), raw('z')]);
  await insert(warehouse, 'payments', 0, [payment('a'), payment('b'), payment('b'), payment('c')]);
  await insert(warehouse, 'decisions', 0, [decision('a'), decision('b'), decision('b'), decision('b')]);
  assert.deepEqual(await reconcileSender(warehouse, 'payments', 'replay'), {
    accepted: 4,
    raw: 3,
    enriched: 3,
    decided: 2,
    stored: 2,
    lost: 2,
    duplicated: 3,
  });
  const nothing = { accepted: 0, raw: 0, enriched: 0, decided: 0, stored: 0, lost: 0, duplicated: 0 };
  assert.deepEqual(await reconcileSender(warehouse, 'telemetry', 'replay'), nothing);
});
