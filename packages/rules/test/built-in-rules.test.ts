import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUILT_IN_RULES, compileRules } from '../src/index.ts';
import { createHistory, DAY_MS, firedBy, HOUR_MS, MINUTE_MS, payment, START_MS, transfer } from './history.ts';

const SECOND_MS = 1_000;
const LISBON = { latitude: 38.72, longitude: -9.14, country: 'PT' };
const WARSAW = { latitude: 52.23, longitude: 21.01, country: 'PL' };

test('the built-in rules compile', () => {
  assert.equal(compileRules(BUILT_IN_RULES).rules.length, BUILT_IN_RULES.length);
});

test('an ordinary payment fires nothing and is approved', () => {
  const history = createHistory();
  history.habits(30);
  assert.deepEqual(history.decide(payment()), {
    decision: 'approve',
    score: 0,
    rules: [],
    rules_hash: compileRules(BUILT_IN_RULES).hash,
  });
});

test('card-testing: the fifth small amount within 10 minutes is declined', () => {
  const history = createHistory();
  history.habits(5);
  const small = (n: number) =>
    history.decide(payment({ atMs: n * 20 * SECOND_MS, euros: 1, channel: 'ecom', merchant_id: 'm-2' }));
  assert.deepEqual(
    [1, 2, 3, 4].map((n) => small(n).decision),
    ['approve', 'approve', 'approve', 'approve'],
  );
  const fifth = small(5);
  assert.equal(fifth.decision, 'decline');
  assert.deepEqual(fifth.rules[0], {
    id: 'card-testing',
    version: 1,
    reason: 'Many small or declined attempts with the card within 10 minutes, and few others.',
    weight: 850,
    values: { card_small_10m: 5, card_declined_10m: 0, card_probe_share_10m: 1 },
  });
});

test('card-testing: the third declined attempt fires, and the large payment right after it as well', () => {
  const history = createHistory();
  for (const n of [1, 2]) {
    assert.deepEqual(firedBy(history.decide(payment({ atMs: n * SECOND_MS, status: 'declined' }))), []);
  }
  assert.deepEqual(firedBy(history.decide(payment({ atMs: 3 * SECOND_MS, status: 'declined' }))), ['card-testing']);
  assert.deepEqual(firedBy(history.decide(payment({ atMs: 4 * SECOND_MS, euros: 900 }))), ['card-testing']);
});

test('card-testing: small amounts 3 minutes apart, or among as many others, do not fire', () => {
  const apart = createHistory();
  for (let n = 0; n < 20; n++)
    assert.deepEqual(firedBy(apart.decide(payment({ atMs: n * 3 * MINUTE_MS, euros: 2 }))), []);
  const among = createHistory();
  for (let n = 0; n < 20; n++) {
    assert.deepEqual(firedBy(among.decide(payment({ atMs: n * 30 * SECOND_MS, euros: n % 2 === 0 ? 40 : 2 }))), []);
  }
});

test('card-velocity: eight payments in 10 minutes after a quiet time fire, the same pace all along does not', () => {
  const quiet = createHistory();
  quiet.habits(10);
  const verdicts = Array.from({ length: 8 }, (_, n) => quiet.decide(payment({ atMs: n * MINUTE_MS })));
  assert.deepEqual(verdicts.map(firedBy), [[], [], [], [], [], [], [], ['card-velocity']]);
  assert.equal(verdicts[7]?.decision, 'review');

  const busy = createHistory();
  for (let n = 0; n < 180; n++) assert.deepEqual(firedBy(busy.decide(payment({ atMs: n * MINUTE_MS }))), []);
});

test('spend-velocity: ten times the usual spending of a day adds doubt without being enough by itself', () => {
  const history = createHistory();
  for (let day = 20; day > 1; day--) history.observe(payment({ atMs: -day * DAY_MS, euros: 100 }));
  const verdicts = [1, 2, 3, 4, 5, 6, 7].map((n) => history.decide(payment({ atMs: n * HOUR_MS, euros: 160 })));
  // 6 * 160 = 960 is below 1,000 EUR; with the seventh it is 1,120 EUR, and 100 EUR a day were usual.
  assert.deepEqual(verdicts.map(firedBy), [[], [], [], [], [], [], ['spend-velocity']]);
  assert.deepEqual([verdicts[6]?.decision, verdicts[6]?.score], ['approve', 450]);
});

test('unusual-amount: 300 EUR after thirty payments of 20 EUR is reviewed, 60 EUR is not', () => {
  const history = createHistory();
  history.habits(30);
  assert.deepEqual(firedBy(history.decide(payment({ euros: 60 }))), []);
  const verdict = history.decide(payment({ atMs: 1, euros: 300 }));
  assert.deepEqual([verdict.decision, firedBy(verdict)], ['review', ['unusual-amount']]);
});

test('unusual-amount: nothing is unusual for a customer of whom little is known', () => {
  const history = createHistory();
  history.habits(9);
  assert.deepEqual(firedBy(history.decide(payment({ euros: 5_000 }))), []);
});

test('impossible-travel: Lisbon to Warsaw, 2,760 km, in two hours is declined and in five hours is not', () => {
  const fast = createHistory();
  fast.observe(payment({ ...LISBON, atMs: 0 }));
  assert.deepEqual(firedBy(fast.decide(payment({ ...WARSAW, atMs: 2 * HOUR_MS }))), ['impossible-travel']);

  const slow = createHistory();
  slow.observe(payment({ ...LISBON, atMs: 0 }));
  assert.deepEqual(firedBy(slow.decide(payment({ ...WARSAW, atMs: 5 * HOUR_MS }))), []);
});

test('impossible-travel: a payment over the internet is in no place, and does not hide the one before', () => {
  const history = createHistory();
  history.observe(payment({ ...LISBON, atMs: 0 }));
  assert.deepEqual(firedBy(history.decide(payment({ ...WARSAW, atMs: HOUR_MS, channel: 'ecom' }))), []);
  assert.deepEqual(firedBy(history.decide(payment({ atMs: 2 * HOUR_MS, terminal: WARSAW }))), ['impossible-travel']);
});

test('takeover-phone: a large transfer from another phone than the customer has is declined', () => {
  const profile = {
    phone_device_id: { value: 'phone-1', source: 'crm', updated_at: 1 },
    monthly_income: { value: 2_000, source: 'accounts', updated_at: 1 },
    currency: { value: 'EUR', source: 'accounts', updated_at: 1 },
  };
  const { decide } = createHistory();
  assert.deepEqual(firedBy(decide(transfer({ profile, device_id: 'phone-1', euros: 900 }))), []);
  assert.deepEqual(firedBy(decide(transfer({ profile, device_id: 'phone-2', euros: 500, atMs: 1 }))), []);
  const verdict = decide(transfer({ profile, device_id: 'phone-2', euros: 900, atMs: 2 }));
  assert.deepEqual([verdict.decision, firedBy(verdict)], ['decline', ['takeover-phone']]);
});

test('takeover-contact: 800 EUR to a new payee two days after the e-mail was changed is declined, a week after it is not', () => {
  const profileAt = (changedMs: number) => ({
    name: { value: 'Ana', source: 'crm', updated_at: START_MS - 300 * DAY_MS },
    email: { value: 'new@example.com', source: 'crm', updated_at: START_MS + changedMs },
  });
  for (const [changedMs, expected] of [
    [-2 * DAY_MS, ['new-payee', 'takeover-contact']],
    [-7 * DAY_MS, ['new-payee']],
  ] as const) {
    const history = createHistory();
    history.habits(20);
    assert.deepEqual(firedBy(history.decide(transfer({ profile: profileAt(changedMs), euros: 800 }))), expected);
  }
});

test('new-payee: the same amount to a payee that the customer knows does not fire', () => {
  const history = createHistory();
  history.habits(20);
  history.observe(transfer({ atMs: 0, euros: 20 }));
  assert.deepEqual(firedBy(history.decide(transfer({ atMs: HOUR_MS, euros: 800 }))), []);
});

test('beyond-income: a transfer of two monthly incomes is reviewed', () => {
  const profile = {
    monthly_income: { value: 300_000, source: 'accounts', updated_at: 1 },
    currency: { value: 'JPY', source: 'accounts', updated_at: 1 },
  };
  const { decide } = createHistory();
  const yen = (amount_minor: number, atMs: number) => transfer({ profile, currency: 'JPY', amount_minor, atMs });
  assert.deepEqual(firedBy(decide(yen(590_000, 0))), []);
  assert.deepEqual(firedBy(decide(yen(600_000, 1))), ['beyond-income']);
});

test('tampered-terminal: a payment within 24 hours after the alarm is reviewed, before it and later not', () => {
  const alarmMs = START_MS;
  const { decide } = createHistory({ tamperAlarms: [[alarmMs, alarmMs]] });
  const at = (atMs: number) =>
    decide(payment({ atMs, terminal_id: 't-1', customer_id: `c${atMs}`, card_id: `k${atMs}` }));
  assert.deepEqual(firedBy(at(-1)), []);
  assert.deepEqual([at(HOUR_MS).decision, firedBy(at(24 * HOUR_MS))], ['review', ['tampered-terminal']]);
  assert.deepEqual(firedBy(at(25 * HOUR_MS)), []);
});

test('terminal-burst: fifteen cards in 10 minutes at a terminal that had a card every 20 minutes fire', () => {
  const history = createHistory();
  const pay = (atMs: number) =>
    history.decide(payment({ atMs, terminal_id: 't-1', customer_id: `c${atMs}`, card_id: `k${atMs}` }));
  for (let n = 9; n > 0; n--) pay(-n * 20 * MINUTE_MS);
  const verdicts = Array.from({ length: 15 }, (_, n) => pay(n * 30 * SECOND_MS));
  assert.deepEqual(verdicts.slice(0, 14).flatMap(firedBy), []);
  assert.deepEqual(firedBy(verdicts[14] ?? pay(0)), ['terminal-burst']);
});

test('terminal-burst: a terminal that always has a card every 30 seconds does not fire', () => {
  const history = createHistory();
  for (let n = 0; n < 240; n++) {
    const verdict = history.decide(
      payment({ atMs: n * 30 * SECOND_MS, terminal_id: 't-1', customer_id: `c${n}`, card_id: `k${n}` }),
    );
    assert.deepEqual(firedBy(verdict), []);
  }
});

test('structuring: the third transfer just under 10,000 EUR within a week is reviewed', () => {
  const history = createHistory();
  const verdicts = [0, 2, 4].map((day) => history.decide(transfer({ atMs: day * DAY_MS, euros: 9_500 })));
  assert.deepEqual(verdicts.map(firedBy), [[], [], ['structuring']]);
  assert.equal(verdicts[2]?.decision, 'review');
});

test('structuring: purchases just under a limit, or transfers spread over weeks, do not fire', () => {
  const shop = createHistory();
  for (let n = 0; n < 5; n++) assert.deepEqual(firedBy(shop.decide(payment({ atMs: n * HOUR_MS, euros: 950 }))), []);
  const slow = createHistory();
  for (let n = 0; n < 5; n++)
    assert.deepEqual(firedBy(slow.decide(transfer({ atMs: n * 4 * DAY_MS, euros: 950 }))), []);
});

test('new-merchants: five new merchants in an hour and nothing else fire; a new one among known ones does not', () => {
  const burst = createHistory();
  burst.habits(20);
  const verdicts = [1, 2, 3, 4, 5].map((n) =>
    burst.decide(payment({ atMs: n * 11 * MINUTE_MS, merchant_id: `new-${n}` })),
  );
  assert.deepEqual(verdicts.map(firedBy), [[], [], [], [], ['new-merchants']]);

  const walk = createHistory();
  walk.habits(20);
  for (let n = 1; n <= 10; n++) {
    const merchant_id = n % 2 === 0 ? `new-${n}` : 'm-1';
    assert.deepEqual(firedBy(walk.decide(payment({ atMs: n * 5 * MINUTE_MS, merchant_id }))), []);
  }
});

test('mule-collects: the fourth stranger who transfers to the payee is reviewed; the same for known senders is not', () => {
  const history = createHistory();
  for (const customer of ['c-1', 'c-2', 'c-3', 'c-4']) history.habits(20, { customer_id: customer, card_id: customer });
  const send = (customer: string, atMs: number) =>
    history.decide(transfer({ customer_id: customer, card_id: customer, payee_id: 'mule', euros: 400, atMs }));
  assert.deepEqual(
    ['c-1', 'c-2', 'c-3'].map((customer, n) => firedBy(send(customer, n * HOUR_MS))),
    [[], [], []],
  );
  assert.deepEqual(firedBy(send('c-4', 3 * HOUR_MS)), ['mule-collects']);
  assert.deepEqual(firedBy(send('c-4', 30 * HOUR_MS)), []);
});

test('mule-passes-on: the third new payee of a day with much money fires', () => {
  const history = createHistory();
  history.habits(20, { euros: 600 });
  const verdicts = [1, 2, 3].map((n) =>
    history.decide(transfer({ atMs: n * HOUR_MS, payee_id: `new-${n}`, euros: 700 })),
  );
  assert.deepEqual(verdicts.map(firedBy), [[], [], ['mule-passes-on']]);
});

test('known-fraud: a card with a confirmed fraud fires from when it is known, another card of the customer does not', () => {
  const labels = [{ transaction_id: 'tx-0', fraud: true, labelled_at: START_MS, card_id: 'card-1' }];
  const { decide } = createHistory({ labels });
  assert.deepEqual(firedBy(decide(payment({ atMs: -1 }))), []);
  assert.deepEqual(firedBy(decide(payment({ atMs: 1 }))), ['known-fraud']);
  assert.deepEqual(firedBy(decide(payment({ atMs: 2, card_id: 'card-2' }))), []);
});
