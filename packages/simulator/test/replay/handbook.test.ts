import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseLabel, parsePayment } from '@millrace/contracts';
import fc from 'fast-check';
import { recognise } from '../../src/replay/columns.ts';
import { amountOf } from '../../src/replay/handbook.ts';
import type { PaymentRow } from '../../src/replay/rows.ts';

const COLUMNS = 'TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD,TX_FRAUD_SCENARIO'.split(',');
const wire = { nowMs: Date.UTC(2018, 3, 2), maxAgeMs: Number.POSITIVE_INFINITY, tokenizeCard: () => 'token' };

function read(line: string, columns = COLUMNS): PaymentRow {
  const kind = recognise('file.csv', columns);
  assert.equal(kind.kind, 'payments');
  const row = kind.read(line.split(','));
  assert.ok('json' in row, JSON.stringify(row));
  return row as PaymentRow;
}

describe('a row of the Fraud Detection Handbook', () => {
  it('becomes a payment at a terminal that is a merchant of its own, in euros and UTC', () => {
    const row = read('0,2018-04-01 00:00:31,596,3156,57.16,0,0');
    assert.equal(row.timeMs, 1_522_540_831_000);
    assert.deepEqual(parsePayment(JSON.parse(row.json), wire), {
      transaction_id: 'fdh-0',
      event_time: 1_522_540_831_000,
      customer_id: 'fdh-customer-596',
      card_id: 'fdh-card-596',
      merchant_id: 'fdh-merchant-3156',
      terminal_id: 'fdh-terminal-3156',
      amount_minor: 5_716,
      currency: 'EUR',
      channel: 'pos',
    });
    assert.equal(row.labelJson, undefined);
  });

  it('becomes a label too when it is fraud, known seven days later', () => {
    const { labelJson } = read('3527,2018-04-01 10:17:43,3774,3059,225.41,1,1');
    const label = parseLabel(JSON.parse(labelJson ?? ''), { ...wire, nowMs: Date.UTC(2018, 5, 1) });
    assert.equal(label.transaction_id, 'fdh-3527');
    assert.equal(label.fraud, true);
    assert.equal(label.labelled_at, Date.UTC(2018, 3, 8, 10, 17, 43));
    assert.equal(label.payment_time, Date.UTC(2018, 3, 1, 10, 17, 43));
  });

  it('is found by its column names, in any order', () => {
    const row = read('57.16,596,0,2018-04-01 00:00:31,3156', [
      'TX_AMOUNT',
      'CUSTOMER_ID',
      'TRANSACTION_ID',
      'TX_DATETIME',
      'TERMINAL_ID',
    ]);
    assert.equal(row.id, 'fdh-0');
    assert.equal(JSON.parse(row.json).amount, '57.16');
  });

  it('cannot be sent when an id is missing, and says which', () => {
    const kind = recognise('file.csv', COLUMNS);
    assert.deepEqual(kind.read('1,2018-04-01 00:00:31,,3156,57.16,0,0'.split(',')), {
      problem: 'CUSTOMER_ID: is empty',
    });
    assert.deepEqual(kind.read('1'.split(',')), { problem: 'TX_DATETIME: is empty' });
  });
});

describe('an amount of the Handbook', () => {
  const cases = [
    ['57.16', '57.16'],
    ['146.0', '146.0'],
    ['0.0', '0.0'],
    ['12', '12'],
    ['87.10000000000001', '87.10'],
    ['11.399999999999999', '11.40'],
    ['490.34999999999997', '490.35'],
    ['1e2', '100.00'],
  ] as const;
  for (const [text, expected] of cases) {
    it(`${text} is sent as ${expected}`, () => assert.equal(amountOf(text), expected));
  }

  it('is left for ingest to refuse when it is not a number of cents', () => {
    for (const text of ['', 'abc', '-1.00', '1.005', '12.3456']) assert.equal(amountOf(text), text);
  });

  it('is exact for any number of cents, whatever the noise of a double', () => {
    const centsText = (cents: number) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100_000_000 }), fc.integer({ min: -3, max: 3 }), (cents, ulps) => {
        const value = cents / 100;
        const noisy = Math.max(0, value + ulps * value * Number.EPSILON);
        const minor = (text: string) => parsePayment({ ...PAYMENT, amount: text }, wire).amount_minor;
        assert.equal(minor(amountOf(String(noisy))), minor(centsText(cents)));
      }),
      { verbose: true },
    );
  });
});

const PAYMENT = {
  transaction_id: 't',
  event_time: '2018-04-01T00:00:31Z',
  customer_id: 'c',
  merchant_id: 'm',
  currency: 'EUR',
  channel: 'pos',
};

describe('a file with a payment’s own field names', () => {
  const columns = [
    'transaction_id',
    'event_time',
    'customer_id',
    'amount',
    'currency',
    'channel',
    'merchant_id',
    'latitude',
    'shop',
  ];

  it('keeps every cell that is not empty, numbers where the wire wants them', () => {
    const { json, id, customerId, timeMs } = read('t1,1522540831000,c1,1.10,EUR,pos,m1,52.5,corner', columns);
    assert.deepEqual([id, customerId, timeMs], ['t1', 'c1', 1_522_540_831_000]);
    assert.deepEqual(JSON.parse(json), {
      ...{ transaction_id: 't1', event_time: 1_522_540_831_000, customer_id: 'c1', amount: '1.10', currency: 'EUR' },
      ...{ channel: 'pos', merchant_id: 'm1', latitude: 52.5, shop: 'corner' },
    });
    const bare = JSON.parse(read('t1,2018-04-01 00:00:31,c1,1.10,EUR,pos,m1,,', columns).json);
    assert.equal(bare.event_time, '2018-04-01T00:00:31Z');
    assert.equal('latitude' in bare || 'shop' in bare, false);
  });

  it('that lacks a column is not recognised, and the message names what there is and what is needed', () => {
    assert.throws(
      () => recognise('f.csv', ['transaction_id', 'amount']),
      (error: Error) => {
        assert.match(error.message, /f\.csv has the columns transaction_id, amount/);
        assert.match(error.message, /TRANSACTION_ID, TX_DATETIME/);
        assert.match(error.message, /timestamp, value/);
        return true;
      },
    );
  });
});
