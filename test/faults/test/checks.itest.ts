// The checks that are made in SQL, on small tables whose truth was worked out by hand.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { testStack } from '@millrace/local-stack';
import type { Tables } from '@millrace/test-platform';
import { createWarehouse, type TableName } from '@millrace/warehouse';
import { checkAlerts, checkPayments, checkReadings } from '../checks/events.ts';
import { checkLetters } from '../checks/letters.ts';
import { checkWindows, type Place } from '../checks/windows.ts';

type Row = Readonly<Record<string, unknown>>;
type Rows = Partial<Record<TableName, readonly Row[]>>;

const START_MS = 1_790_000_000_000;
const MINUTE_MS = 60_000;

/** Three payments with one card, the third of which is late, and a transfer by another customer. */
const PAYMENTS = [
  payment('p0', 0, { card_id: 'c1', merchant_id: 'm1', terminal_id: 't1' }),
  payment('p1', 30, { card_id: 'c1', merchant_id: 'm2', terminal_id: 't2', status: 'declined' }),
  payment('p2', 25, { card_id: 'c1', merchant_id: 'm1', terminal_id: 't1' }),
  payment('p3', 31, { customer_id: 'other', payee_id: 'y1' }),
];
const FEATURES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  p0: ofCard(1, 1, 0, 1, 1, { merchant_count_1h: 1, terminal_count_10m: 1 }),
  p1: ofCard(1, 2, 1, 2, 1, { merchant_count_1h: 1, terminal_count_10m: 1 }),
  // It sees what lies before its own time: p0, but not p1.
  p2: ofCard(1, 2, 0, 1, 2, { merchant_count_1h: 2, terminal_count_10m: 1 }),
  p3: ofCard(1, 1, 0, 1, 1, { payee_senders_24h: 1 }),
};
/** At the merchants they arrive in another order, which changes nothing here. */
const PLACES: readonly Place[] = ['p3', 'p0', 'p2', 'p1'].map((id, offset) => ({ id, partition: 0, offset }));

test('the windows hold when every decision counts what came before it', async (t) => {
  const tables = await fill(t, { payments: PAYMENTS, decisions: decisions(FEATURES) });
  const outcomes = await checkWindows(tables, PLACES);
  assert.deepEqual(
    outcomes.map(({ check, compared, problems }) => [check.split(' ')[0], compared, problems]),
    [
      ['card_count_10m', 4, []],
      ['card_count_1h', 4, []],
      ['card_count_24h', 4, []],
      ['card_declined_10m', 4, []],
      ['card_merchants_1h', 4, []],
      ['customer_count_24h', 4, []],
      ['merchant_count_1h', 3, []],
      ['terminal_count_10m', 3, []],
      ['payee_senders_24h', 1, []],
    ],
  );
});

test('a decision that counts one too many is named, for each of the features', async (t) => {
  for (const id of ['p2', 'p3']) {
    const right = FEATURES[id] ?? assert.fail();
    const wrong = Object.fromEntries(Object.entries(right).map(([name, value]) => [name, value + 1]));
    const tables = await fill(t, { payments: PAYMENTS, decisions: decisions({ ...FEATURES, [id]: wrong }) });
    const objecting = (await checkWindows(tables, PLACES)).filter(({ problems }) => problems.length > 0);
    assert.deepEqual(
      objecting.map(({ check, problems }) => [check, problems]),
      Object.entries(right).map(([name, value]) => [
        `${name} as SQL counts it`,
        [`1 decisions count otherwise: ${id}: ${value + 1} instead of ${value}`],
      ]),
    );
  }
});

test('in another order of arrival the merchant counts otherwise', async (t) => {
  const tables = await fill(t, { payments: PAYMENTS, decisions: decisions(FEATURES) });
  const places = ['p2', 'p0', 'p1', 'p3'].map((id, offset) => ({ id, partition: 0, offset }));
  const objecting = (await checkWindows(tables, places)).filter(({ problems }) => problems.length > 0);
  assert.deepEqual(
    objecting.map(({ check }) => check),
    ['merchant_count_1h as SQL counts it'],
  );
});

test('a payment that is lost or stored twice is named, in each of the two tables', async (t) => {
  const [p0, p1] = decisions(FEATURES) as [Row, Row];
  const [first, second] = PAYMENTS as [Row, Row];
  const tables = await fill(t, { payments: [first, second, second], decisions: [p0, p0] });
  const acknowledged = new Set(['p0', 'p1']);
  const outcomes = await checkPayments(tables, { sent: acknowledged, acknowledged });
  assert.deepEqual(
    outcomes.map(({ problems }) => problems),
    [['1 there more than once: p1 (2 rows)'], ['1 acknowledged and lost: p1', '1 there more than once: p0 (2 rows)']],
  );
  const right = await fill(t, { payments: [first, second], decisions: [p0, p1] });
  const holding = await checkPayments(right, { sent: acknowledged, acknowledged });
  assert.deepEqual(
    holding.flatMap(({ problems }) => problems),
    [],
  );
});

test('a reading has a row for each metric, and a repeated one is named', async (t) => {
  const reading = (sequence: number, metric: string) => ({
    ...{ device_id: 'd1', event_time: START_MS, sequence, metric, value: 1, ingested_at: START_MS },
  });
  const once = [reading(1, 'temperature'), reading(1, 'humidity'), reading(2, 'temperature')];
  const acknowledged = new Set([`d1:${START_MS}:1`, `d1:${START_MS}:2`]);
  const ids = { sent: acknowledged, acknowledged };
  assert.deepEqual((await checkReadings(await fill(t, { telemetry: once }), ids)).problems, []);
  const twice = await fill(t, { telemetry: [...once, reading(1, 'humidity')] });
  assert.deepEqual((await checkReadings(twice, ids)).problems, [`1 there more than once: d1:${START_MS}:1 (2 rows)`]);
  const lost = await fill(t, { telemetry: once.slice(0, 2) });
  assert.deepEqual((await checkReadings(lost, ids)).problems, [`1 acknowledged and lost: d1:${START_MS}:2`]);
});

test('an alert is missed, or one too many is seen', async (t) => {
  const decided = decisions(FEATURES).map((row, i) => ({ ...row, decision: i === 0 ? 'decline' : 'approve' }));
  const alert = (transaction_id: string) => ({
    ...{ alert_id: `a-${transaction_id}`, kind: 'payment', transaction_id, event_time: START_MS },
    ...{ ingested_at: START_MS, raised_at: START_MS },
  });
  const problems = async (alerts: readonly Row[]) =>
    (await checkAlerts(await fill(t, { decisions: decided, alerts }))).problems;
  assert.deepEqual(await problems([alert('p0')]), []);
  assert.deepEqual(await problems([]), ['1 decisions with another number of alerts: p0 (0 for 1)']);
  assert.deepEqual(await problems([alert('p0'), alert('p0')]), [
    '1 decisions with another number of alerts: p0 (2 for 1)',
  ]);
  assert.deepEqual(await problems([alert('p0'), alert('p1')]), [
    '1 decisions with another number of alerts: p1 (1 for 0)',
  ]);
});

test('dead letters are of spoilt messages of devices, or they are named', async (t) => {
  const letter = (kind: string) => ({
    ...{ id: `l-${kind}`, origin: { kind, topic: 'x' }, stage: 'ingest', reason: 'r', message: 'm', value_base64: '' },
    ...{ failed_at: START_MS, ingested_at: START_MS },
  });
  assert.deepEqual((await checkLetters(await fill(t, { dead_letters: [letter('mqtt')] }))).problems, []);
  const kafka = await checkLetters(await fill(t, { dead_letters: [letter('mqtt'), letter('kafka')] }));
  assert.match(kafka.problems.join(), /^1 kinds of dead letters that nobody expected: .*"kafka"/);
});

/** A database of its own with these rows, dropped after the test. */
async function fill(t: TestContext, rows: Rows): Promise<Tables> {
  const silent = () => undefined;
  const clickhouse = testStack().clickhouseUrl;
  const database = `faults_${randomBytes(6).toString('hex')}`;
  const warehouse = createWarehouse({
    url: clickhouse,
    database,
    logger: { debug: silent, info: silent, warn: silent },
  });
  t.after(async () => {
    await warehouse.query(`DROP DATABASE IF EXISTS ${database}`);
    await warehouse.close();
  });
  await warehouse.migrate();
  for (const [table, list] of Object.entries(rows) as [TableName, readonly Row[]][]) {
    const lines = list.map((row, _offset) => JSON.stringify({ _topic: table, _partition: 0, _offset, ...row }));
    if (lines.length > 0) await warehouse.insertRows(table, Buffer.from(lines.join('\n')));
  }
  return { clickhouse, database };
}

function payment(transaction_id: string, minutes: number, fields: Row): Row {
  return {
    ...{ transaction_id, event_time: START_MS + minutes * MINUTE_MS, customer_id: 'k1', amount_minor: 100 },
    ...{ currency: 'EUR', channel: 'pos', ingested_at: START_MS, ...fields },
  };
}

function ofCard(in10m: number, in1h: number, declined: number, merchants: number, customer: number, others: Row) {
  return {
    ...{ card_count_10m: in10m, card_count_1h: in1h, card_count_24h: in1h, card_declined_10m: declined },
    ...{ card_merchants_1h: merchants, customer_count_24h: customer },
    ...others,
  } as Record<string, number>;
}

function decisions(features: typeof FEATURES): Row[] {
  return Object.entries(features).map(([transaction_id, values]) => ({
    ...{ transaction_id, event_time: START_MS, customer_id: 'k1', decision: 'approve', features: values },
    ...{ ingested_at: START_MS, decided_at: START_MS },
  }));
}
