import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  parseCustomerSource,
  parseDevice,
  parseLabel,
  parseMerchant,
  parsePayment,
  parseTelemetry,
  WireError,
} from '@millrace/contracts';
import { createWorld, NO_FAULTS, type PaymentEvent, type WorldEvent, type WorldOptions } from '../../src/index.ts';

/** A Tuesday, the 24th. */
const START_MS = Date.UTC(2026, 10, 24);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const SMALL: WorldOptions = {
  seed: 7,
  startMs: START_MS,
  runId: 't',
  paymentsPerSecond: 1,
  shoppers: 5_000,
  merchants: 200,
  devices: 50,
  readingIntervalMs: 60_000,
};

const wire = { nowMs: START_MS + 30 * HOUR_MS, maxAgeMs: Number.POSITIVE_INFINITY, tokenizeCard: () => 'token' };
const PARSERS = {
  payment: parsePayment,
  telemetry: parseTelemetry,
  label: parseLabel,
  merchant: parseMerchant,
  device: parseDevice,
  customer: parseCustomerSource,
};

function eventsOf(options: Partial<WorldOptions> = {}, hours = 24): WorldEvent[] {
  return [...createWorld({ ...SMALL, ...options }).events(START_MS + hours * HOUR_MS)];
}
function paymentsOf(events: readonly WorldEvent[]): PaymentEvent[] {
  return events.filter((event) => event.kind === 'payment').filter(({ delivery }) => delivery !== 'duplicate');
}

describe('a world', () => {
  const day = eventsOf();
  const payments = paymentsOf(day);

  it('is the same to the byte for the same seed', () => {
    const hash = createHash('sha256');
    for (const event of eventsOf({}, 1)) hash.update(`${JSON.stringify(event)}\n`);
    assert.equal(hash.digest('hex'), 'f9b4d81b3da421b04056e6da06b25b5136d5e4d1fc35eb9fcf7a8d02c3dbca09');
  });

  it('is another one for another seed', () => {
    const customers = (seed: number) => paymentsOf(eventsOf({ seed }, 1)).map(({ event }) => event.customer_id);
    assert.notDeepEqual(customers(1), customers(2));
  });

  it('does not depend on how many steps it is read in', () => {
    const world = createWorld(SMALL);
    const inSteps: WorldEvent[] = [];
    for (let untilMs = START_MS; untilMs <= START_MS + HOUR_MS; untilMs += 7_001)
      inSteps.push(...world.events(untilMs));
    assert.deepEqual(inSteps, eventsOf({}, 1).slice(0, inSteps.length));
    assert.ok(inSteps.length > 3_000);
  });

  it('tells what is sent in the order of sending, and nothing before it happened', () => {
    let lastMs = START_MS;
    for (const event of day) {
      assert.ok(event.sendAtMs >= lastMs);
      lastMs = event.sendAtMs;
      if (event.kind === 'payment' || event.kind === 'telemetry') assert.ok(event.event.event_time <= event.sendAtMs);
    }
  });

  it('sends what the contracts accept, and as malformed only what they refuse', () => {
    for (const event of day) {
      if (event.kind !== 'malformed') {
        PARSERS[event.kind](event.event, wire);
        continue;
      }
      const { target, body, fault } = event;
      if (fault === 'malformed-json') assert.throws(() => JSON.parse(body), SyntaxError);
      // Another device's reading is well formed; only the topic says that it is wrong.
      else if (fault === 'other-device') assert.match(body, /-other"/);
      else {
        const at = { ...wire, nowMs: event.sendAtMs, maxAgeMs: 30 * 24 * HOUR_MS };
        assert.throws(() => PARSERS[target.kind](JSON.parse(body), at), WireError, fault);
      }
    }
  });

  it('gives every payment an id of its own, and the same id to a duplicate', () => {
    const ids = new Set(payments.map(({ event }) => event.transaction_id));
    assert.equal(ids.size, payments.length);
    const duplicates = day.filter((event) => event.kind === 'payment' && event.delivery === 'duplicate');
    assert.ok(duplicates.length > 0);
    for (const event of duplicates) assert.ok(event.kind === 'payment' && ids.has(event.event.transaction_id));
  });

  it('keeps to its rates within what chance allows', () => {
    const share = (count: number) => count / payments.length;
    within(payments.length, 84_000, 89_000);
    within(share(payments.filter(({ scenario }) => scenario !== undefined).length), 0.005, 0.011);
    within(share(payments.filter(({ delivery }) => delivery === 'late').length), 0.004, 0.006);
    within(share(payments.filter(({ delivery }) => delivery === 'out-of-order').length), 0.018, 0.022);
    within(share(payments.filter(({ event }) => event.status === 'declined').length), 0.012, 0.025);
    const readings = day.filter((event) => event.kind === 'telemetry' && event.delivery !== 'duplicate');
    within(readings.length, 50 * 24 * 60 - 100, 50 * 24 * 60);
  });

  it('labels every fraud, after a delay, and hardly anything else', () => {
    const labels = new Map(
      day.flatMap((event) => (event.kind === 'label' ? [[event.event.transaction_id, event]] : [])),
    );
    const known = payments.filter(({ event }) => event.event_time < START_MS + 23 * HOUR_MS);
    for (const { event, scenario } of known.filter(({ scenario }) => scenario !== undefined)) {
      const label = labels.get(event.transaction_id);
      assert.equal(label?.event.fraud, true);
      within(label.sendAtMs - event.event_time, 5 * MINUTE_MS, 30 * MINUTE_MS);
      assert.equal(label.event.reason, scenario?.replaceAll('_', ' '));
    }
    const cleared = [...labels.values()].filter(({ event }) => !event.fraud).length;
    within(cleared / payments.length, 0.0001, 0.001);
  });

  it('without faults sends everything once, in time and well formed', () => {
    const events = eventsOf({ faults: NO_FAULTS }, 2);
    assert.ok(events.every((event) => event.kind !== 'malformed' && event.delivery === 'on-time'));
  });

  it('without fraud has none', () => {
    assert.ok(paymentsOf(eventsOf({ fraudRate: 0 })).every(({ scenario }) => scenario === undefined));
  });

  it('goes on after a pause without making up for it', () => {
    const world = createWorld({ ...SMALL, faults: NO_FAULTS, fraudRate: 0, customersPerSecond: 0.001 });
    for (const _ of world.events(START_MS + MINUTE_MS));
    world.skipTo(START_MS + HOUR_MS);
    const later = [...world.events(START_MS + HOUR_MS + MINUTE_MS)].filter(({ kind }) => kind === 'payment');
    within(later.length, 40, 85);
  });
});

function within(value: number, least: number, most: number): void {
  assert.ok(value >= least && value <= most, `${value} is not between ${least} and ${most}`);
}
