import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createTopics } from '@millrace/contracts';
import fc from 'fast-check';
import { decimalTextOf } from '../../src/batches/mapping/decimals.ts';
import { MappingError, type MappingFile, readMapping } from '../../src/batches/mapping/mapping-file.ts';
import { compileMapper, type Mapped } from '../../src/batches/mapping/row-mapper.ts';
import { zoneToUtc } from '../../src/batches/mapping/time-zones.ts';
import { timeReader } from '../../src/batches/mapping/times.ts';
import { createEventKinds, type EventKindName } from '../../src/event-kinds.ts';

const kinds = createEventKinds(createTopics());
const SAMPLES = new URL('../../samples/mappings/', import.meta.url);

function compile(
  mapping: object | undefined,
  columns: readonly string[] | undefined,
  kind: EventKindName = 'payments',
) {
  const read = mapping === undefined ? undefined : readMapping(JSON.stringify(mapping));
  return compileMapper({ mapping: read, kind: kinds[kind], kinds, columns });
}

function eventsOf(mapped: Mapped): unknown[] {
  assert.ok('events' in mapped, JSON.stringify(mapped));
  // Through JSON: what JSONata makes has no prototype.
  return JSON.parse(JSON.stringify(mapped.events.map(({ kind, input }) => ({ kind: kind.name, input }))));
}

function faultsOf(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof MappingError) return error.faults.map(({ field }) => field).sort();
    throw error;
  }
  return [];
}

test('the mapping of the Fraud Detection Handbook makes a payment of a row, and a label as well of a fraud', async () => {
  const mapping: MappingFile = readMapping(readFileSync(new URL('fraud-detection-handbook.json', SAMPLES), 'utf8'));
  const columns = 'TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD,TX_FRAUD_SCENARIO'.split(',');
  const mapper = compileMapper({ mapping, kind: kinds.payments, kinds, columns });
  assert.deepEqual(mapper.unusedColumns, []);
  const ids = { card_id: 'fdh-card-596', merchant_id: 'fdh-merchant-3156', terminal_id: 'fdh-terminal-3156' };
  const payment = {
    ...{ transaction_id: 'fdh-0', event_time: 1_522_540_831_000, customer_id: 'fdh-customer-596', ...ids },
    ...{ amount: '57.16', currency: 'EUR', channel: 'pos' },
  };
  const honest = await mapper.map(['0', '2018-04-01 00:00:31', '596', '3156', '57.160000000000004', '0', '0']);
  assert.deepEqual(eventsOf(honest), [{ kind: 'payments', input: payment }]);
  const fraud = await mapper.map(['0', '2018-04-01 00:00:31', '596', '3156', '57.16', '1', '2']);
  const label = {
    ...{ transaction_id: 'fdh-0', customer_id: 'fdh-customer-596', ...ids, fraud: true, source: 'chargeback' },
    ...{ labelled_at: 1_523_145_631_000, payment_time: 1_522_540_831_000, reason: 'compromised terminal' },
  };
  assert.deepEqual(eventsOf(fraud), [
    { kind: 'payments', input: payment },
    { kind: 'labels', input: label },
  ]);
});

test('every mapping among the samples is right', () => {
  const names = readdirSync(SAMPLES);
  assert.ok(names.length >= 2);
  for (const name of names) readMapping(readFileSync(new URL(name, SAMPLES), 'utf8'));
});

test('without a mapping, columns have the names of fields, and others become attributes', async () => {
  const columns = ['device_id', 'event_time', 'latitude', 'shop', 'metrics.x', 'metrics.y'];
  const mapper = compile(undefined, columns, 'telemetry');
  const row = ['d-1', '2018-04-01T00:00:31+02:00', '1.5', 'x', '2.50', ''];
  const input = {
    ...{ device_id: 'd-1', event_time: 1_522_533_631_000, latitude: 1.5 },
    ...{ metrics: { x: 2.5 }, attributes: { shop: 'x' } },
  };
  assert.deepEqual(eventsOf(await mapper.map(row)), [{ kind: 'telemetry', input }]);
  assert.deepEqual(
    faultsOf(() => compile(undefined, ['device_id', 'metrics.x'], 'telemetry')),
    ['fields'],
  );
});

test('constants, templates, values, defaults, paths and the rest', async () => {
  const mapping = {
    fields: {
      transaction_id: { template: '{{{ref.id}}}-{n}' },
      event_time: { column: 'at', time: 'epoch-s' },
      customer_id: 'who',
      amount: { column: 'cents', minor_digits: 2 },
      currency: { column: 'cur', default: 'EUR' },
      channel: { column: 'ch', values: { 1: 'pos', 2: 'ecom' } },
      'attributes.vip': { column: 'vip', type: 'boolean' },
    },
    attributes: ['*'],
  };
  const row = {
    ref: { id: 'r' },
    n: 7,
    at: '1522540831.5',
    who: 9,
    cents: 1_250,
    ch: 2,
    vip: 'yes',
    more: 1.5,
    no: null,
  };
  const mapper = compile(
    { ...mapping, fields: { ...mapping.fields, transaction_id: { template: '{{{n}}}-{who}' } } },
    undefined,
  );
  assert.deepEqual(eventsOf(await mapper.map(row)), [
    {
      kind: 'payments',
      input: {
        ...{ transaction_id: '{7}-9', event_time: 1_522_540_831_500, customer_id: '9', amount: '12.5' },
        ...{ currency: 'EUR', channel: 'ecom', attributes: { vip: true, ref: { id: 'r' }, more: 1.5 } },
      },
    },
  ]);
  const unknown = await mapper.map({ ...row, ch: 3, at: 'yesterday' });
  assert.ok('problems' in unknown);
  assert.deepEqual(
    unknown.problems.map(({ field, code }) => [field, code]),
    [
      ['event_time', 'malformed'],
      ['channel', 'unknown-value'],
    ],
  );
});

const REQUIRED = { transaction_id: 'a', customer_id: 'a', event_time: 'a', amount: 'a', currency: 'a', channel: 'a' };
test('rows for which the condition does not hold are left out', async () => {
  const mapper = compile({ when: { column: 'a', in: ['1', '2'] }, fields: REQUIRED }, ['a']);
  assert.deepEqual(eventsOf(await mapper.map(['3'])), []);
});

test('everything that is wrong with a mapping is told at once', () => {
  const formFaults = faultsOf(() =>
    readMapping('{"kind":"x","fields":{"a":{"colum":"b"}},"format":{"delimiter":"::"}}'),
  );
  assert.deepEqual(formFaults, ['fields.a', 'fields.a.colum', 'format.delimiter', 'kind']);
  const wrong = {
    fields: {
      ...REQUIRED,
      amount: { column: 'a', constant: 1 },
      currency: { column: 'nowhere', decimal: ',' },
      event_time: { column: 'a', time: 'QQ', zone: 'UTC' },
      latitude: { column: 'a', time: 'iso' },
      colour: 'a',
    },
    attributes: ['gone'],
  };
  assert.deepEqual(
    faultsOf(() => compile(wrong, ['a'])),
    [
      'attributes',
      'fields.amount',
      'fields.colour',
      'fields.currency.column',
      'fields.currency.decimal',
      'fields.event_time.time',
      'fields.latitude.time',
    ],
  );
  assert.deepEqual(faultsOf(() => compile({ fields: { amount: 'a' } }, ['a'])).length, 5);
});

test('columns that no rule looks at are told', () => {
  assert.deepEqual(compile({ fields: REQUIRED }, ['a', 'b', 'c']).unusedColumns, ['b', 'c']);
});

test('a JSONata expression makes the event, or leaves the row out; what fails is a problem without the value', async () => {
  const expression = "n > 0 ? { 'device_id': 'd-' & id, 'metrics': { 'n': $number(n) } }";
  const mapper = compile({ jsonata: expression }, undefined, 'telemetry');
  assert.deepEqual(eventsOf(await mapper.map({ id: 1, n: 2 })), [
    { kind: 'telemetry', input: { device_id: 'd-1', metrics: { n: 2 } } },
  ]);
  assert.deepEqual(eventsOf(await mapper.map({ id: 1, n: 0 })), []);
  const failed = await mapper.map({ id: 1, n: '4242424242424242x' });
  assert.ok('problems' in failed);
  assert.doesNotMatch(failed.problems[0]?.message ?? '', /4242/);
});

for (const expression of ['$match(a, /(a+)+b/)', "$eval('1')", "$pad('x', 1000000000)", '{', '$f := $eval']) {
  test(`the expression ${expression} is not taken`, () => {
    assert.deepEqual(
      faultsOf(() => compile({ jsonata: expression }, undefined)),
      ['jsonata'],
    );
  });
}

test('an expression without an end is stopped, and is a problem of its row', async () => {
  const mapper = compile({ jsonata: '( $f := function($x) { $f($x + 1) }; $f(1) )' }, undefined);
  assert.ok('problems' in (await mapper.map({})));
});

test('decimals are read digit by digit', () => {
  const cases: readonly (readonly [unknown, object, string | undefined])[] = [
    ['57.16', {}, '57.16'],
    ['146.0', {}, '146'],
    ['1.234.567,50', { decimal: ',', group: '.' }, '1234567.5'],
    ['1.5', { decimal: ',', group: '.' }, undefined],
    ['1 234', { group: ' ' }, '1234'],
    ['000012', { minorDigits: 2 }, '0.12'],
    ['9007199254740993', { minorDigits: 2 }, '90071992547409.93'],
    [87.10000000000001, { decimals: 2 }, '87.1'],
    ['87.09999999999999', { decimals: 2 }, '87.1'],
    ['99.99999999', { decimals: 2 }, '100'],
    ['87.105', { decimals: 2 }, '87.105'],
    ['-0.00', {}, '0'],
    ['-12.50', {}, '-12.5'],
    ['1e3', {}, undefined],
    ['', {}, undefined],
    ['1,2,3', { decimal: ',' }, undefined],
    [1n, {}, '1'],
  ];
  for (const [value, format, expected] of cases) assert.equal(decimalTextOf(value, format), expected, String(value));
});

test('times: every form, with and without a zone', () => {
  const cases: readonly (readonly [string, string, unknown, string | undefined])[] = [
    ['iso', 'UTC', '2018-04-01 00:00:31', '2018-04-01T00:00:31.000Z'],
    ['iso', 'UTC', '2018-04-01', '2018-04-01T00:00:00.000Z'],
    ['iso', 'UTC', '2018-04-01T10:00+0200', '2018-04-01T08:00:00.000Z'],
    ['iso', 'Europe/Lisbon', '2018-07-01T10:00:00', '2018-07-01T09:00:00.000Z'],
    ['iso', 'Europe/Lisbon', '2018-07-01T10:00:00Z', '2018-07-01T10:00:00.000Z'],
    ['iso', 'UTC', '2018-02-30', undefined],
    ['iso', 'UTC', '2018-04-01 nonsense', undefined],
    ['epoch-s', 'UTC', '1522540831.25', '2018-04-01T00:00:31.250Z'],
    ['epoch-us', 'UTC', 1_522_540_831_250_999, '2018-04-01T00:00:31.250Z'],
    ['epoch-ns', 'UTC', '1522540831250999999', '2018-04-01T00:00:31.250Z'],
    ['DD.MM.YYYY HH:mm', 'Europe/Berlin', '01.04.2018 02:30', '2018-04-01T00:30:00.000Z'],
    ['M/D/YYYY h:mm A', 'America/New_York', '4/1/2018 12:05 AM', '2018-04-01T04:05:00.000Z'],
    ['DD-MMM-YYYY HH:mm:ss.SSS', 'UTC', '01-apr-2018 00:00:31.5', '2018-04-01T00:00:31.500Z'],
    ['YYYYMMDDTHHmmssZ', 'UTC', '20180401T100000+0200', '2018-04-01T08:00:00.000Z'],
    ['DD.MM.YYYY', 'UTC', '31.02.2018', undefined],
  ];
  for (const [format, zone, value, expected] of cases) {
    const timeMs = timeReader(format, zone)(value);
    assert.equal(timeMs === undefined ? undefined : new Date(timeMs).toISOString(), expected, `${format} ${value}`);
  }
});

test('a time that comes twice is the first, one that is left out is later, and every moment comes back from its wall clock', (t) => {
  const lisbon = zoneToUtc('Europe/Lisbon');
  assert.equal(new Date(lisbon(Date.UTC(2018, 9, 28, 1, 30))).toISOString(), '2018-10-28T00:30:00.000Z');
  assert.equal(new Date(lisbon(Date.UTC(2018, 2, 25, 1, 30))).toISOString(), '2018-03-25T01:30:00.000Z');
  const seed = Date.now() % 2 ** 31;
  t.diagnostic(`seed ${seed}`);
  const zones = ['America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Europe/Lisbon', 'Pacific/Apia'];
  fc.assert(
    fc.property(fc.constantFrom(...zones), fc.integer({ min: 1_000_000_000, max: 1_900_000_000 }), (zone, seconds) => {
      const utcMs = seconds * 1_000;
      // `sv-SE` writes 2018-04-01 00:00:31.
      const wall = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
      const wallMs = Date.parse(`${wall.format(utcMs).replace(' ', 'T')}Z`);
      const back = zoneToUtc(zone)(wallMs);
      // An hour that comes twice has two moments on the same clock.
      assert.equal(wall.format(back), wall.format(utcMs));
      assert.ok(back === utcMs || Math.abs(back - utcMs) <= 3_600_000);
    }),
    { seed, numRuns: 200 },
  );
});
