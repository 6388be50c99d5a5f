import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createWorld, NO_FAULTS, type WirePayment, type WorldEvent } from '../../src/index.ts';

const START_MS = Date.UTC(2026, 10, 24);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Honest payments only, so that what is seen is normal life. With 12 merchants there is one city: Berlin, UTC+1. */
function honestPayments(options: { merchants: number; shoppers: number; days: number }): WirePayment[] {
  const world = createWorld({
    ...{ seed: 11, startMs: START_MS, runId: 't', paymentsPerSecond: 0.2, devices: 0 },
    ...{ fraudRate: 0, faults: NO_FAULTS, merchants: options.merchants, shoppers: options.shoppers },
  });
  const events: WorldEvent[] = [...world.events(START_MS + options.days * DAY_MS)];
  return events.flatMap((event) => (event.kind === 'payment' ? [event.event] : []));
}
const hourInBerlin = ({ event_time }: WirePayment) => new Date(event_time + HOUR_MS).getUTCHours();

describe('normal life', () => {
  const berlin = honestPayments({ merchants: 12, shoppers: 300, days: 7 });
  const everywhere = honestPayments({ merchants: 400, shoppers: 400, days: 28 });

  it('sleeps at night: closed shops sell nothing, and online shops go on', () => {
    const groceries = berlin.filter(({ mcc }) => mcc === '5411');
    assert.ok(groceries.length > 1_000);
    assert.ok(groceries.every((payment) => hourInBerlin(payment) >= 7 && hourInBerlin(payment) < 21));
    const atNight = berlin.filter((payment) => hourInBerlin(payment) === 3);
    assert.ok(atNight.some(({ channel }) => channel === 'ecom'));
  });

  it('keeps Sunday', () => {
    // 2026-11-29
    const sunday = berlin.filter(({ event_time }) => new Date(event_time + HOUR_MS).getUTCDay() === 0);
    assert.ok(sunday.length > 0);
    assert.equal(sunday.filter(({ mcc }) => mcc === '5411' || mcc === '5651').length, 0);
  });

  it('has favourite shops: a customer goes to few of the many there are', () => {
    const groceries = everywhere.filter(({ mcc }) => mcc === '5411');
    const byCustomer = Object.values(Object.groupBy(groceries, ({ customer_id }) => customer_id));
    const shares = byCustomer.flatMap((payments = []) => {
      if (payments.length < 20) return [];
      const counts = Object.values(Object.groupBy(payments, ({ merchant_id }) => merchant_id ?? ''));
      return [Math.max(...counts.map((list) => list?.length ?? 0)) / payments.length];
    });
    assert.ok(shares.length > 50);
    assert.ok(shares.reduce((sum, share) => sum + share, 0) / shares.length > 0.3);
  });

  it('pays each salary once a month, from employer to account', () => {
    const salaries = everywhere.filter(({ customer_id }) => customer_id.startsWith('corp-'));
    assert.ok(salaries.length > 20, `${salaries.length} salaries`);
    assert.equal(new Set(salaries.map(({ payee_id }) => payee_id)).size, salaries.length);
    assert.ok(salaries.every(({ channel, payee_id }) => channel === 'transfer' && payee_id?.startsWith('acct-')));
  });

  it('pays with the money of the place: a shop in Tokyo takes yen without decimals', () => {
    const inTokyo = everywhere.filter(({ channel, country }) => channel === 'pos' && country === 'JP');
    assert.ok(inTokyo.length > 100);
    assert.ok(inTokyo.every(({ currency, amount }) => currency === 'JPY' && /^[0-9]+$/.test(amount)));
  });

  it('travels now and then, and never from city to city within half a day', () => {
    const inShops = everywhere.filter(({ latitude }) => latitude !== undefined);
    let trips = 0;
    for (const payments of Object.values(Object.groupBy(inShops, ({ customer_id }) => customer_id))) {
      for (const [index, payment] of (payments ?? []).entries()) {
        const before = payments?.[index - 1];
        if (before?.latitude === undefined || payment.latitude === undefined) continue;
        if (Math.abs(before.latitude - payment.latitude) < 0.5) continue;
        trips += 1;
        assert.ok(payment.event_time - before.event_time > 12 * HOUR_MS);
      }
    }
    assert.ok(trips > 10, `${trips} journeys`);
  });
});
