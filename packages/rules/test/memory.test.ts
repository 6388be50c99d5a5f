import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Label } from '@millrace/contracts';
import { type KnownLabels, learnLabel, learnTamper, type TamperAlarms } from '../src/index.ts';
import { countFrauds } from '../src/labels.ts';
import { lastTamperMs } from '../src/tamper.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, START_MS } from './history.ts';

const label = (transaction_id: string, fraud: boolean, labelled_at: number, card_id?: string): Label => ({
  transaction_id,
  customer_id: 'c-1',
  fraud,
  labelled_at: START_MS + labelled_at,
  source: 'analyst',
  ...(card_id === undefined ? {} : { card_id }),
});
const permutations = <T>(items: readonly T[]): T[][] =>
  items.length < 2
    ? [[...items]]
    : items.flatMap((item, n) => permutations(items.toSpliced(n, 1)).map((rest) => [item, ...rest]));
const learnAll = (labels: readonly Label[]) => labels.reduce<KnownLabels>((known, one) => learnLabel(one, known), []);

test('the newest label of a payment holds, whatever order labels arrive in', () => {
  const labels = [
    label('a', true, 1, 'card-1'),
    label('a', false, 2, 'card-1'),
    label('b', true, 3, 'card-1'),
    label('c', true, 4, 'card-2'),
  ];
  for (const order of permutations(labels)) {
    const known = learnAll(order);
    assert.deepEqual([countFrauds(known, START_MS + 10), countFrauds(known, START_MS + 10, 'card-1')], [2, 1]);
  }
});

test('a label counts from when it became known, for 180 days', () => {
  const known = learnAll([label('a', true, 0)]);
  const countAt = (ms: number) => countFrauds(known, START_MS + ms);
  assert.deepEqual([countAt(-1), countAt(0), countAt(180 * DAY_MS - 1), countAt(180 * DAY_MS)], [0, 1, 1, 0]);
  assert.equal(countFrauds(undefined, START_MS), 0);
});

test('fifty labels of a customer are remembered, the newest ones', () => {
  const known = learnAll(Array.from({ length: 80 }, (_, n) => label(`t-${n}`, true, n)));
  assert.equal(known.length, 50);
  assert.deepEqual([known[0]?.transaction_id, known[49]?.transaction_id], ['t-79', 't-30']);
});

const alarmsOf = (...minutes: number[]) =>
  minutes.reduce<TamperAlarms>((known, minute) => learnTamper(START_MS + minute * MINUTE_MS, known), []);
const lastAt = (alarms: TamperAlarms, minute: number) => {
  const ms = lastTamperMs(alarms, START_MS + minute * MINUTE_MS);
  return ms === undefined ? undefined : (ms - START_MS) / MINUTE_MS;
};

test('alarming readings up to ten minutes apart are one alarm, in whatever order they arrive', () => {
  for (const order of permutations([0, 8, 16, 40])) {
    const alarms = alarmsOf(...order);
    assert.deepEqual(
      alarms.map(([from, until]) => [(from - START_MS) / MINUTE_MS, (until - START_MS) / MINUTE_MS]),
      [
        [0, 16],
        [40, 40],
      ],
    );
  }
});

test('the last alarm is the newest moment of alarm that is not after the payment', () => {
  const alarms = alarmsOf(0, 8, 40);
  assert.deepEqual(
    [-1, 0, 5, 30, 40, 100].map((minute) => lastAt(alarms, minute)),
    [undefined, 0, 5, 8, 40, 40],
  );
  assert.equal(lastAt(alarms, 7 * 24 * 60 + 40), undefined);
  assert.equal(lastTamperMs(undefined, START_MS), undefined);
});

test('eight alarms of a terminal are remembered, the newest ones', () => {
  const alarms = alarmsOf(...Array.from({ length: 20 }, (_, n) => n * 60));
  assert.equal(alarms.length, 8);
  assert.equal(alarms[0]?.[0], START_MS + 12 * HOUR_MS);
});
