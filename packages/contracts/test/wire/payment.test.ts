import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePayment, samples, WireError, wireSamples } from '@millrace/contracts';
import { faultsOf, NOW_MS, options, problemsOf } from './parse.ts';

const wire = wireSamples.payment;
const faults = (change: object) => faultsOf(parsePayment, { ...wire, ...change });
const without = (...names: string[]) =>
  Object.fromEntries(Object.entries(wire).filter(([name]) => !names.includes(name)));

test('the sample becomes the internal form, keys in the order of the schema', () => {
  const payment = parsePayment(wire, options);
  assert.deepEqual(payment, samples.payment);
  assert.equal(JSON.stringify(payment), JSON.stringify(samples.payment));
});

test('the smallest payment has an id, a time, a customer, a merchant, an amount and a channel', () => {
  const smallest = {
    transaction_id: 't',
    event_time: NOW_MS,
    customer_id: 'c',
    merchant_id: 'm',
    amount: 1,
    currency: 'JPY',
    channel: 'ecom',
  };
  assert.deepEqual(parsePayment(smallest, options), {
    transaction_id: 't',
    event_time: NOW_MS,
    customer_id: 'c',
    merchant_id: 'm',
    amount_minor: 1,
    currency: 'JPY',
    channel: 'ecom',
  });
});

test('what is no object is refused as a whole', () => {
  for (const input of [undefined, null, 'text', 5, true, [], [wire]]) {
    assert.deepEqual(faultsOf(parsePayment, input), [' wrong-type']);
  }
});

test('everything that is missing is reported together', () => {
  assert.deepEqual(faultsOf(parsePayment, {}).sort(), [
    'amount required',
    'channel required',
    'currency required',
    'customer_id required',
    'event_time required',
    'merchant_id required',
    'transaction_id required',
  ]);
});

test('everything that is wrong is reported together, each fault with its field', () => {
  const change = {
    transaction_id: 'tx 1',
    event_time: 'yesterday',
    customer_id: 5,
    card_id: '',
    terminal_id: null,
    mcc: 5411,
    amount: -1,
    currency: 'EUX',
    country: 'Portugal',
    channel: 'fax',
    status: 'ok',
    latitude: 91,
    longitude: '0',
    ip: '1.2.3',
    device_id: 'a/b',
    nested: {},
  };
  assert.deepEqual(faults(change).sort(), [
    'amount out-of-range',
    'card_id malformed',
    'channel unknown-value',
    'country unknown-value',
    'currency unknown-value',
    'customer_id wrong-type',
    'device_id malformed',
    'event_time malformed',
    'ip malformed',
    'latitude out-of-range',
    'longitude wrong-type',
    'mcc malformed',
    'nested wrong-type',
    'status unknown-value',
    'terminal_id wrong-type',
    'transaction_id malformed',
  ]);
});

test('the error is one that a caller can switch on, names the first field and tells all in its message', () => {
  assert.throws(
    () => parsePayment({ ...wire, mcc: '1', country: 'XX' }, options),
    (error) =>
      error instanceof WireError &&
      error.code === 'wire' &&
      error.field === 'mcc' &&
      error.retriable === false &&
      /^payment refused: mcc: must be a text of 4 digits.*; country: must be an ISO 3166-1/.test(error.message),
  );
});

test('a message says the remedy', () => {
  const [problem] = problemsOf(parsePayment, { ...wire, terminal_id: null });
  assert.equal(problem?.message, 'must be a text, not null; leave the field out when it is unknown');
  const [seconds] = problemsOf(parsePayment, { ...wire, event_time: 1_772_366_400 });
  assert.match(seconds?.message ?? '', /epoch seconds must be multiplied by 1000/);
});

test('ids are 1 to 64 or 128 characters of the id alphabet', () => {
  assert.equal(parsePayment({ ...wire, transaction_id: 'aZ09._:-' }, options).transaction_id, 'aZ09._:-');
  assert.equal(parsePayment({ ...wire, transaction_id: 'x'.repeat(64) }, options).transaction_id.length, 64);
  assert.equal(parsePayment({ ...wire, customer_id: 'x'.repeat(128) }, options).customer_id.length, 128);
  assert.deepEqual(faults({ transaction_id: 'x'.repeat(65) }), ['transaction_id malformed']);
  assert.deepEqual(faults({ customer_id: 'x'.repeat(129) }), ['customer_id malformed']);
  for (const id of ['', ' ', 'a b', 'a/b', 'a#', 'ä', 'a\n', 'a\u0000', 'Ａ']) {
    assert.deepEqual(faults({ customer_id: id }), ['customer_id malformed'], JSON.stringify(id));
  }
});

test('an amount has the digits of its currency, as a string or as a number', () => {
  const minor = (amount: unknown, currency: string) =>
    parsePayment({ ...wire, amount, currency }, options).amount_minor;
  assert.equal(minor('57.16', 'EUR'), 5_716);
  assert.equal(minor(57.16, 'EUR'), 5_716);
  assert.equal(minor(146.0, 'EUR'), 14_600);
  assert.equal(minor('1500', 'JPY'), 1_500);
  assert.equal(minor('1.005', 'BHD'), 1_005);
  assert.equal(minor(1.0001, 'CLF'), 10_001);
  assert.equal(minor('0.00', 'EUR'), 0);
  assert.deepEqual(faults({ amount: '1.005' }), ['amount malformed']);
  assert.deepEqual(faults({ amount: '1.5', currency: 'JPY' }), ['amount malformed']);
  assert.deepEqual(faults({ amount: '-1.50' }), ['amount out-of-range']);
  assert.deepEqual(faults({ amount: null }), ['amount wrong-type']);
});

test('amount_minor is the internal form and refused on the wire, with or without an amount', () => {
  assert.deepEqual(faults({ amount_minor: 5_716 }), ['amount_minor conflict']);
  assert.deepEqual(faultsOf(parsePayment, { ...without('amount'), amount_minor: 5_716 }), [
    'amount required',
    'amount_minor conflict',
  ]);
});

test('a time up to five minutes ahead is taken, and nothing later', () => {
  assert.equal(parsePayment({ ...wire, event_time: NOW_MS + 300_000 }, options).event_time, NOW_MS + 300_000);
  assert.deepEqual(faults({ event_time: NOW_MS + 300_001 }), ['event_time in-the-future']);
});

test('a time up to thirty days ago is taken; what is older only through the batch route', () => {
  const old = { ...wire, event_time: NOW_MS - 30 * 86_400_000 - 1 };
  assert.equal(parsePayment({ ...wire, event_time: NOW_MS - 30 * 86_400_000 }, options).event_time, 1_770_508_800_000);
  const [problem] = problemsOf(parsePayment, old);
  assert.equal(problem?.code, 'too-old');
  assert.equal(problem?.message, 'is more than 30 days ago; send old events through POST /v1/batches');
  const batch = { ...options, maxAgeMs: Number.POSITIVE_INFINITY };
  assert.equal(parsePayment(old, batch).event_time, 1_770_508_799_999);
  assert.equal(parsePayment({ ...wire, event_time: '2018-04-01T00:00:31Z' }, batch).event_time, 1_522_540_831_000);
});

test('epoch seconds, fractions of a millisecond and times before 2000 are refused, on the batch route too', () => {
  const batch = { ...options, maxAgeMs: Number.POSITIVE_INFINITY };
  const cases: readonly [unknown, string][] = [
    [1_772_366_400, 'out-of-range'],
    [NOW_MS + 0.5, 'malformed'],
    ['1999-12-31T23:59:59Z', 'out-of-range'],
    ['1772366400000', 'malformed'],
    [null, 'wrong-type'],
    [{}, 'wrong-type'],
  ];
  for (const [event_time, code] of cases) {
    const parse = (input: unknown) => parsePayment(input, batch);
    assert.deepEqual(faultsOf(parse, { ...wire, event_time }), [`event_time ${code}`], String(event_time));
  }
});

test('a card number is replaced by its token, with spaces and dashes too, before anything else sees it', () => {
  for (const card_id of ['4111111111111111', '4111 1111 1111 1111', '4111-1111-1111-1111']) {
    const payment = parsePayment({ ...wire, card_id }, options);
    assert.equal(payment.card_id, 'token-of-16-digits');
    assert.doesNotMatch(JSON.stringify(payment), /4111/);
  }
  assert.equal(parsePayment({ ...wire, card_id: '4222222222222' }, options).card_id, 'token-of-13-digits');
});

test('tokenizeCard gets the digits alone, and is not asked about a token', () => {
  const asked: string[] = [];
  const tokenizeCard = (cardNumber: string) => {
    asked.push(cardNumber);
    return 'token';
  };
  parsePayment({ ...wire, card_id: '4111 1111 1111 1111' }, { ...options, tokenizeCard });
  parsePayment({ ...wire, card_id: '4111111111111112' }, { ...options, tokenizeCard });
  parsePayment({ ...wire, card_id: 'card-1' }, { ...options, tokenizeCard });
  assert.deepEqual(asked, ['4111111111111111']);
});

test('no message repeats a card number or a long value, wherever it stands', () => {
  const cardNumber = '4111 1111 1111 1112';
  const long = 'y'.repeat(65);
  const faulty = {
    ...Object.fromEntries(Object.keys(wire).map((name) => [name, `${cardNumber}!`])),
    '4111111111111111': 1,
    '4111 1111 1111 1112': {},
    attributes: { '4111111111111111': 1, [long]: 1 },
  };
  for (const { field, message } of problemsOf(parsePayment, faulty)) {
    assert.doesNotMatch(field + message, /4111/, field);
    assert.ok(!(field + message).includes(long), field);
  }
  for (const { field, message } of problemsOf(parsePayment, { ...wire, country: long, currency: long, ip: long })) {
    assert.ok(!message.includes(long), field);
    assert.match(message, /a text of 65 characters/);
  }
  const [number] = problemsOf(parsePayment, { ...wire, mcc: 4_111_111_111_111_111 });
  assert.doesNotMatch(number?.message ?? '', /4111/);
});

test('a transfer names its payee and no merchant; everything else its merchant and no payee', () => {
  const transfer = { ...without('merchant_id'), channel: 'transfer', payee_id: 'payee-1' };
  assert.equal(parsePayment(transfer, options).payee_id, 'payee-1');
  assert.deepEqual(faults({ channel: 'transfer' }), ['payee_id required', 'merchant_id conflict']);
  assert.deepEqual(faults({ channel: 'transfer', payee_id: 'p' }), ['merchant_id conflict']);
  assert.deepEqual(faults({ payee_id: 'p' }), ['payee_id conflict']);
  assert.deepEqual(faultsOf(parsePayment, without('merchant_id')), ['merchant_id required']);
});

test('a place has both coordinates, within the globe', () => {
  assert.deepEqual(faultsOf(parsePayment, without('latitude')), ['latitude required']);
  assert.deepEqual(faultsOf(parsePayment, without('longitude')), ['longitude required']);
  assert.equal(parsePayment(without('latitude', 'longitude'), options).latitude, undefined);
  assert.equal(parsePayment({ ...wire, latitude: -90, longitude: 180 }, options).longitude, 180);
  assert.deepEqual(faults({ latitude: -90.1 }), ['latitude out-of-range']);
  assert.deepEqual(faults({ longitude: 180.1 }), ['longitude out-of-range']);
});

test('ip is an IPv4 or IPv6 address', () => {
  for (const ip of ['10.0.0.7', '2001:db8::1', '::ffff:10.0.0.7']) {
    assert.equal(parsePayment({ ...wire, ip }, options).ip, ip);
  }
  for (const ip of [
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '10.0.0.7:443',
    '2001:db8::1::',
    'fe80::1%eth0',
    'localhost',
    7,
  ]) {
    assert.deepEqual(faults({ ip }), ['ip malformed'], String(ip));
  }
});

test('mcc is a text of four digits', () => {
  assert.equal(parsePayment({ ...wire, mcc: '0742' }, options).mcc, '0742');
  for (const mcc of ['742', '07420', '07a2', 742]) assert.deepEqual(faults({ mcc }), ['mcc malformed'], String(mcc));
});
