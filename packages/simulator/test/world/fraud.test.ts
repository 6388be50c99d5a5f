import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRandom } from '../../src/random.ts';
import { createDevices } from '../../src/world/devices.ts';
import type { WirePayment } from '../../src/world/events.ts';
import { createFraudStories, type PaymentScenario, STORIES, STORY_MS_MAX } from '../../src/world/fraud.ts';
import { createMarket } from '../../src/world/merchants.ts';
import { createShoppers } from '../../src/world/shoppers.ts';

const START_MS = Date.UTC(2026, 10, 24, 12);
const MINUTE_MS = 60_000;
const TOLD = 200;

const market = createMarket(5, 400);
const shoppers = createShoppers(5, 5_000, market);
const newDevices = () => createDevices(5, market, { count: 300, intervalMs: 60_000, sequenceStart: 0 });

function tell(scenario: PaymentScenario, devices = newDevices()): (readonly WirePayment[])[] {
  const stories = createFraudStories(market, shoppers, devices, createRandom(5, 'test', scenario));
  const ids = Array.from({ length: TOLD * 30 }, (_, index) => `t-${index}`).values();
  return Array.from({ length: TOLD }, () => stories.tell(scenario, START_MS, () => ids.next().value ?? 't'));
}
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
const distinct = <T>(values: readonly T[]) => new Set(values).size;

describe('a fraud story', () => {
  for (const scenario of Object.keys(STORIES) as PaymentScenario[]) {
    it(`${scenario}: has as many payments as the fraud rate counts on, in order, within the longest story`, () => {
      const told = tell(scenario);
      const mean = sum(told.map((payments) => payments.length)) / TOLD;
      const { paymentsMean } = STORIES[scenario];
      const honest = scenario === 'stolen_card_abroad' ? 1 : 0;
      assert.ok(Math.abs(mean - honest - paymentsMean) < 0.1 * paymentsMean + 0.2, `${mean} payments`);
      for (const payments of told) {
        const times = payments.map(({ event_time }) => event_time);
        assert.deepEqual(
          times,
          times.toSorted((a, b) => a - b),
        );
        assert.ok((times.at(-1) ?? 0) - START_MS < STORY_MS_MAX);
      }
    });
  }

  it('card testing: many small tries on one card in one shop, mostly declined, then a large payment', () => {
    for (const payments of tell('card_testing')) {
      const tries = payments.slice(0, -1);
      assert.equal(distinct(payments.map(({ card_id }) => card_id)), 1);
      assert.equal(distinct(payments.map(({ merchant_id }) => merchant_id)), 1);
      assert.ok(payments.every(({ channel, ip }) => channel === 'ecom' && ip?.startsWith('203.0.113.')));
      assert.ok(tries.filter(({ status }) => status === 'declined').length >= 4);
      const small = Math.max(...tries.map(({ amount }) => Number(amount)));
      assert.ok(Number(payments.at(-1)?.amount) > 50 * small);
    }
  });

  it('stolen card abroad: at home first, then within the hour and a bit in another country', () => {
    for (const [first, ...abroad] of tell('stolen_card_abroad')) {
      assert.ok(first !== undefined && abroad[0] !== undefined);
      assert.equal(distinct([first, ...abroad].map(({ card_id }) => card_id)), 1);
      assert.ok(abroad.every(({ country, latitude }) => country !== first.country && latitude !== undefined));
      assert.ok(abroad[0].event_time - first.event_time <= 68 * MINUTE_MS);
    }
  });

  it('account takeover: a phone and a payee that the customer never had', () => {
    for (const payments of tell('account_takeover')) {
      assert.equal(distinct(payments.map(({ payee_id }) => payee_id)), 1);
      assert.ok(payments.every(({ channel, device_id }) => channel === 'transfer' && /^phone-x/.test(device_id ?? '')));
      assert.ok(payments.every(({ payee_id }) => /^acct-x/.test(payee_id ?? '')));
    }
  });

  it('compromised terminal: the terminal reports tampering minutes before the first misuse', () => {
    const devices = newDevices();
    const stories = createFraudStories(market, shoppers, devices, createRandom(5, 'tamper'));
    const payments = stories.tell('compromised_terminal', START_MS, () => 't');
    const index = devices.all.findIndex(({ deviceId }) => deviceId === payments[0]?.terminal_id);
    const { reading, scenario } = devices.read(index, START_MS);
    assert.equal(reading.metrics.tamper, true);
    assert.equal(scenario, 'compromised_terminal');
    assert.equal(distinct(payments.map(({ terminal_id }) => terminal_id)), 1);
    assert.ok(distinct(payments.map(({ customer_id }) => customer_id)) >= 9);
    assert.ok(payments.every(({ event_time }) => event_time >= START_MS + 3 * MINUTE_MS));
    assert.equal(devices.read(index, START_MS + 10 * MINUTE_MS).reading.metrics.tamper, false);
  });

  it('structuring: every transfer just under the limit, and together far above it', () => {
    for (const payments of tell('structuring')) {
      assert.equal(distinct(payments.map(({ customer_id }) => customer_id)), 1);
      const inEuro = payments.filter(({ currency }) => currency === 'EUR').map(({ amount }) => Number(amount));
      assert.ok(inEuro.every((amount) => amount >= 9_000 && amount < 10_000));
      if (inEuro.length > 0) assert.ok(sum(inEuro) >= 45_000);
    }
  });

  it('mule account: many customers pay one account, and its owner passes the money on', () => {
    for (const payments of tell('mule_account')) {
      const incoming = payments.slice(0, -1);
      const onward = payments.at(-1);
      assert.equal(distinct(incoming.map(({ payee_id }) => payee_id)), 1);
      assert.ok(distinct(incoming.map(({ customer_id }) => customer_id)) >= 7);
      assert.equal(onward?.account_id, incoming[0]?.payee_id);
    }
  });

  it('broken sensor: a fault lasts a quarter of an hour, is marked, and shows', () => {
    const fridges = newDevices();
    const index = fridges.all.findIndex(({ kind }) => kind === 'climate-sensor');
    const readings = Array.from({ length: 20_000 }, (_, minute) => fridges.read(index, START_MS + minute * MINUTE_MS));
    const broken = readings.filter(({ scenario }) => scenario === 'broken_sensor');
    assert.ok(broken.length >= 30, `${broken.length} readings of a broken sensor`);
    assert.equal(broken.length % 15, 0);
    const isOdd = ({ reading }: (typeof readings)[number]) => Math.abs(Number(reading.metrics.temperature_c) - 4) > 2;
    assert.ok(broken.some(isOdd));
    assert.equal(readings.filter(({ scenario }) => scenario === undefined).some(isOdd), false);
  });
});
