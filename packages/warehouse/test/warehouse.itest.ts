import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { samples } from '@millrace/contracts';
import { testStack } from '@millrace/local-stack';
import { createWarehouse, highestOffsets, storedOffsets, type TableName, type Warehouse } from '../src/index.ts';

test('several services that migrate at once leave each migration recorded once', async (t) => {
  const database = `test_${randomBytes(6).toString('hex')}`;
  const warehouses = [1, 2, 3].map(() => connect(t, database));
  await Promise.all(warehouses.map((warehouse) => warehouse.migrate()));
  const [warehouse] = warehouses;
  assert.ok(warehouse);
  const rows = await warehouse.query<{ version: number }>('SELECT version FROM schema_migrations ORDER BY version');
  assert.deepEqual(
    rows.map(({ version }) => version),
    [1, 2, 3],
  );
  assert.deepEqual(await warehouse.migrate(), []);
});

test('a block that is inserted twice under one token is stored once, as one part', async (t) => {
  const warehouse = await migrated(t);
  const block = rowsOf('decisions', [0, 1, 2]);
  await warehouse.insertRows('decisions', block, { deduplicationToken: 'block-1' });
  await warehouse.insertRows('decisions', block, { deduplicationToken: 'block-1' });
  assert.equal(await count(warehouse, 'decisions'), 3);
  const [parts] = await warehouse.query<{ parts: number }>(
    "SELECT count() AS parts FROM system.parts WHERE database = currentDatabase() AND table = 'decisions' AND active",
  );
  assert.equal(parts?.parts, 1);
});

test('the sample of every schema is stored with the fields of the event', async (t) => {
  const warehouse = await migrated(t);
  for (const [table, sample] of Object.entries(SAMPLES) as [keyof typeof SAMPLES, object][]) {
    await warehouse.insertRows(table, row(table, 7, sample));
    const columns = await warehouse.query<{ name: string }>(
      'SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String}',
      { params: { table } },
    );
    const names = new Set(columns.map(({ name }) => name));
    const missing = Object.keys(sample).filter((field) => !names.has(field));
    assert.deepEqual(missing, [], `fields of ${table} without a column`);
  }
  const [decision] = await warehouse.query(
    'SELECT transaction_id, toUnixTimestamp64Milli(event_time) AS time, rules.id AS rules, mapKeys(features) AS features, input.offset AS offset FROM decisions',
  );
  assert.deepEqual(decision, {
    transaction_id: samples.decision.transaction_id,
    time: samples.decision.event_time,
    rules: samples.decision.rules.map(({ id }) => id),
    features: Object.keys(samples.decision.features),
    offset: samples.decision.input.offset,
  });
  const [payment] = await warehouse.query<{ profile: string; country: string }>(
    'SELECT profile, merchant.country AS country FROM payments',
  );
  assert.deepEqual(JSON.parse(payment?.profile ?? 'null'), samples.enrichedPayment.profile);
  assert.equal(payment?.country, samples.enrichedPayment.merchant?.country);
});

test('a row that does not fit fails the whole block as bad data', async (t) => {
  const warehouse = await migrated(t);
  const faults = {
    'a wrong type': '{"_topic":"t","_partition":0,"_offset":9,"transaction_id":"x","event_time":"yesterday"}\n',
    'cut off': '{"_topic":"t","_partition":0,"_offset":9,"transaction_id":"x"',
    'a second object in the same value':
      '{"_topic":"t","_partition":0,"_offset":9,"transaction_id":"x"},{"transaction_id":"y"}\n',
    'no id': '{"_topic":"t","_partition":0,"_offset":9}\n',
  };
  for (const [fault, line] of Object.entries(faults)) {
    const block = Buffer.concat([rowsOf('decisions', [0, 1]), Buffer.from(line)]);
    await assert.rejects(warehouse.insertRows('decisions', block), { code: 'bad-data', retriable: false }, fault);
  }
  assert.equal(await count(warehouse, 'decisions'), 0);
});

test('a reading has the same id in telemetry and in telemetry_raw', async (t) => {
  const warehouse = await migrated(t);
  const { device_id, event_time, sequence } = samples.enrichedTelemetry;
  await warehouse.insertRows('telemetry', row('telemetry', 1, SAMPLES.telemetry));
  await warehouse.insertRows(
    'telemetry_raw',
    row('telemetry_raw', 1, { reading: `${device_id}:${event_time}:${sequence ?? ''}` }),
  );
  const [ids] = await warehouse.query<{ same: number }>(
    'SELECT (SELECT any(reading_id) FROM telemetry) = (SELECT any(reading_id) FROM telemetry_raw) AS same',
  );
  assert.equal(ids?.same, 1);
});

test('stored offsets are told by partition and range', async (t) => {
  const warehouse = await migrated(t);
  await warehouse.insertRows('decisions', rowsOf('decisions', [3, 4, 9]));
  assert.deepEqual(await highestOffsets(warehouse, 'decisions', 't'), new Map([[0, 9]]));
  assert.deepEqual(await highestOffsets(warehouse, 'decisions', 'other'), new Map());
  const ranges = [
    { partition: 0, start: 4, end: 9 },
    { partition: 1, start: 0, end: 10 },
  ];
  assert.deepEqual(await storedOffsets(warehouse, 'decisions', 't', ranges), new Set(['0:4']));
});

test('failures are told apart by code', async (t) => {
  const warehouse = connect(t);
  await assert.rejects(warehouse.query('SELECT 1 FROM payments'), { code: 'missing', retriable: false });
  const away = createWarehouse({ url: 'http://127.0.0.1:1', database: 'x', logger: silent });
  t.after(() => away.close());
  await assert.rejects(away.insertRows('payments', Buffer.from('{}')), { code: 'unavailable', retriable: true });
  await assert.rejects(away.ping(), { code: 'unavailable' });
});

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };

const { metrics, ...reading } = samples.enrichedTelemetry;
const [metric = '', value = 0] = Object.entries(metrics)[0] ?? [];
const SAMPLES = {
  payments: samples.enrichedPayment,
  decisions: samples.decision,
  alerts: samples.alert,
  telemetry: { ...reading, metric, value: Number(value) },
  profiles: samples.profile,
  labels: samples.label,
  dead_letters: samples.deadLetter,
  redrives: samples.redrive,
} as const;

function row(table: TableName, offset: number, event: object): Buffer {
  const ingestedAt = 'ingested_at' in event || table === 'ledger' ? {} : { ingested_at: 1_700_000_000_000 };
  return Buffer.from(`${JSON.stringify({ _topic: 't', _partition: 0, _offset: offset, ...ingestedAt, ...event })}\n`);
}

function rowsOf(table: keyof typeof SAMPLES, offsets: readonly number[]): Buffer {
  return Buffer.concat(offsets.map((offset) => row(table, offset, SAMPLES[table])));
}

/** A warehouse in a database of its own, which is dropped when the test ends. */
function connect(t: TestContext, database = `test_${randomBytes(6).toString('hex')}`): Warehouse {
  const url = testStack().clickhouseUrl;
  const warehouse = createWarehouse({ url, database, logger: silent });
  t.after(async () => {
    await warehouse.close();
    await fetch(url, { method: 'POST', body: `DROP DATABASE IF EXISTS ${database}` });
  });
  return warehouse;
}

async function migrated(t: TestContext): Promise<Warehouse> {
  const warehouse = connect(t);
  await warehouse.migrate();
  return warehouse;
}

async function count(warehouse: Warehouse, table: TableName): Promise<number> {
  const [answer] = await warehouse.query<{ rows: number }>(`SELECT count() AS rows FROM ${table}`);
  return answer?.rows ?? -1;
}
