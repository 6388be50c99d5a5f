import { createRandom } from '../random.ts';
import { createDevices, deviceRecord } from './devices.ts';
import type { Delivery, Scenario, WireLabel, WirePayment, WireTelemetry, WorldEvent } from './events.ts';
import { deliver, type FaultRates, spoilPayment, spoilTelemetry, USUAL_FAULTS } from './faults.ts';
import { createFraudStories, type PaymentScenario, paymentsPerStory, STORIES } from './fraud.ts';
import { createMarket, merchantRecord } from './merchants.ts';
import { createNormalLife } from './payments.ts';
import { DAY_MS } from './places.ts';
import { createSchedule } from './schedule.ts';
import { createShoppers, customerRecords } from './shoppers.ts';

export interface WorldOptions {
  /** The same options give the same events, byte for byte. */
  readonly seed: number;
  /** Epoch ms at which the world begins. */
  readonly startMs: number;
  /** Begins every transaction id; different for each run, so that ids never meet. */
  readonly runId: string;
  readonly paymentsPerSecond: number;
  readonly shoppers: number;
  readonly merchants: number;
  readonly devices: number;
  /** Between two readings of one device. */
  readonly readingIntervalMs?: number;
  /** Share of payments that are fraud, 0 to 1. */
  readonly fraudRate?: number;
  readonly faults?: FaultRates;
  /** How long it takes until a fraud is reported. */
  readonly labelDelayMs?: { readonly from: number; readonly to: number };
  /** Customers whose sources are told per second, one after the other, until all are known. */
  readonly customersPerSecond?: number;
}

export interface World {
  readonly deviceIds: readonly string[];
  /** Everything that is sent up to and including that time, in order of sending. Call it again to go on. */
  events(untilMs: number): Generator<WorldEvent, void, void>;
  /** Nothing new happens before that time: a sender that was held up goes on from now instead of catching up. */
  skipTo(timeMs: number): void;
}

const MINUTE_MS = 60_000;
const READING_INTERVAL_MS = 1_000;
/** 0.8 % of the card payments of the Fraud Detection Handbook are fraud; real shares are ten times smaller. */
const FRAUD_RATE = 0.008;
const LABEL_DELAY_MS = { from: 5 * MINUTE_MS, to: 30 * MINUTE_MS };
/** Of the stolen card's story only what happens abroad is the thief's. */
const OWN_PAYMENTS: Partial<Record<PaymentScenario, number>> = { stolen_card_abroad: 1 };
/** A chargeback now and then is a mistake: the customer made the payment, says the issuer. */
const CLEARED_SHARE = 0.0005;

/**
 * Shoppers, merchants, terminals and devices from a seed: normal life, labelled fraud, and the faults of real senders.
 * Pure: time comes in through `startMs` and `untilMs`. What is kept grows with shoppers (a few bytes each) and with what
 * is scheduled: late events and stories under way, some thousands at hundreds of payments per second.
 */
export function createWorld(options: WorldOptions): World {
  const { seed, startMs, runId } = options;
  const faults = options.faults ?? USUAL_FAULTS;
  const fraudRate = options.fraudRate ?? FRAUD_RATE;
  const labelDelay = options.labelDelayMs ?? LABEL_DELAY_MS;
  const intervalMs = options.readingIntervalMs ?? READING_INTERVAL_MS;
  const random = createRandom(seed, 'world');
  const market = createMarket(seed, options.merchants);
  const shoppers = createShoppers(seed, options.shoppers, market);
  const devices = createDevices(seed, market, {
    count: options.devices,
    intervalMs,
    // Seconds, so that a later run begins above what this one reaches at a reading per second.
    sequenceStart: Math.floor(startMs / 1_000),
  });
  const life = createNormalLife(market, shoppers, createRandom(seed, 'life'));
  const stories = createFraudStories(market, shoppers, devices, createRandom(seed, 'fraud'));
  const scheduled = createSchedule<WorldEvent>();
  const storyNames = Object.keys(STORIES) as PaymentScenario[];
  const storyWeights = storyNames.map((name) => STORIES[name].weight);
  const storyChance = fraudRate / paymentsPerStory() / (1 - fraudRate);
  const lifeIntervalMs = 1_000 / (options.paymentsPerSecond * (1 - fraudRate));
  const customerIntervalMs = 1_000 / (options.customersPerSecond ?? Math.max(20, options.paymentsPerSecond * 0.3));

  let payments = 0;
  let nextPaymentMs = options.paymentsPerSecond > 0 ? startMs : Number.POSITIVE_INFINITY;
  let readings = 0;
  let customers = 0;
  let nextCustomerMs = startMs;

  const nextId = () => {
    payments += 1;
    return `${runId}-${payments}`;
  };
  /** The devices take turns, evenly over the interval, so the time of a reading follows from its number. */
  const readingMs = (number: number) =>
    devices.all.length === 0 ? Number.POSITIVE_INFINITY : startMs + (number * intervalMs) / devices.all.length;

  function tellReferenceData(): void {
    const updatedAtMs = startMs - DAY_MS;
    for (const merchant of market.merchants) {
      scheduled.add(startMs, { ...sent(startMs), kind: 'merchant', event: merchantRecord(merchant, updatedAtMs) });
    }
    for (const device of devices.all) {
      scheduled.add(startMs, { ...sent(startMs), kind: 'device', event: deviceRecord(device, updatedAtMs) });
    }
  }

  function pay(): void {
    const timeMs = Math.floor(nextPaymentMs);
    nextPaymentMs += 2 * random.uniform() * lifeIntervalMs;
    sendPayment(life.next(timeMs, nextId()), undefined);
    if (!random.chance(storyChance)) return;
    const scenario = storyNames[random.weighted(storyWeights)] ?? 'card_testing';
    const own = OWN_PAYMENTS[scenario] ?? 0;
    stories.tell(scenario, timeMs, nextId).forEach((payment, index) => {
      sendPayment(payment, index < own ? undefined : scenario);
    });
  }

  function sendPayment(payment: WirePayment, scenario: Scenario | undefined): void {
    const { sendAtMs, delivery, againAtMs } = deliver(payment.event_time, faults, random);
    const mark = scenario === undefined ? {} : { scenario };
    scheduled.add(sendAtMs, { ...sent(sendAtMs, delivery), kind: 'payment', event: payment, ...mark });
    if (againAtMs !== undefined) {
      scheduled.add(againAtMs, { ...sent(againAtMs, 'duplicate'), kind: 'payment', event: payment, ...mark });
    }
    if (random.chance(faults.malformed)) {
      const spoilt = spoilPayment({ ...payment, transaction_id: nextId() }, random);
      scheduled.add(sendAtMs, { kind: 'malformed', sendAtMs, ...spoilt, target: { kind: 'payment' } });
    }
    const cleared = scenario === undefined && random.chance(CLEARED_SHARE);
    if (scenario === undefined && !cleared) return;
    const labelAtMs = payment.event_time + random.integer(labelDelay.from, labelDelay.to);
    scheduled.add(labelAtMs, { ...sent(labelAtMs), kind: 'label', event: labelOf(payment, labelAtMs, scenario) });
  }

  function measure(): void {
    const index = readings % devices.all.length;
    const { reading, scenario } = devices.read(index, Math.floor(readingMs(readings)));
    readings += 1;
    sendReading(reading, scenario);
  }

  function sendReading(reading: WireTelemetry, scenario: Scenario | undefined): void {
    const { sendAtMs, delivery, againAtMs } = deliver(reading.event_time, faults, random);
    const mark = scenario === undefined ? {} : { scenario };
    scheduled.add(sendAtMs, { ...sent(sendAtMs, delivery), kind: 'telemetry', event: reading, ...mark });
    if (againAtMs !== undefined) {
      scheduled.add(againAtMs, { ...sent(againAtMs, 'duplicate'), kind: 'telemetry', event: reading, ...mark });
    }
    if (random.chance(faults.malformed)) {
      const target = { kind: 'telemetry', deviceId: reading.device_id } as const;
      scheduled.add(sendAtMs, { kind: 'malformed', sendAtMs, ...spoilTelemetry(reading, random), target });
    }
  }

  function introduceCustomer(): void {
    const shopper = shoppers.at(customers);
    const records = customerRecords(shopper, startMs, createRandom(seed, 'customer', customers));
    customers += 1;
    const sendAtMs = Math.floor(nextCustomerMs);
    nextCustomerMs = customers < shoppers.count ? nextCustomerMs + customerIntervalMs : Number.POSITIVE_INFINITY;
    for (const event of records) scheduled.add(sendAtMs, { ...sent(sendAtMs), kind: 'customer', event });
  }

  tellReferenceData();
  return {
    deviceIds: devices.all.map(({ deviceId }) => deviceId),

    *events(untilMs) {
      for (;;) {
        // Nothing is sent before it happens, so what is scheduled up to the next happening is final.
        const happensMs = Math.min(nextPaymentMs, readingMs(readings), nextCustomerMs);
        while (scheduled.nextMs() <= Math.min(happensMs, untilMs)) yield scheduled.take();
        if (happensMs > untilMs) return;
        if (happensMs === nextPaymentMs) pay();
        else if (happensMs === nextCustomerMs) introduceCustomer();
        else measure();
      }
    },

    skipTo(timeMs) {
      if (nextPaymentMs < timeMs) nextPaymentMs = timeMs;
      if (nextCustomerMs < timeMs) nextCustomerMs = timeMs;
      while (readingMs(readings) < timeMs) readings += 1;
    },
  };
}

function sent(sendAtMs: number, delivery: Delivery = 'on-time') {
  return { sendAtMs, delivery };
}

function labelOf(payment: WirePayment, labelledAtMs: number, scenario: Scenario | undefined): WireLabel {
  const { transaction_id, customer_id, event_time, card_id, merchant_id, terminal_id } = payment;
  return {
    transaction_id,
    customer_id,
    fraud: scenario !== undefined,
    labelled_at: labelledAtMs,
    source: scenario === undefined ? 'issuer' : card_id === undefined ? 'analyst' : 'chargeback',
    reason: scenario === undefined ? 'the customer made this payment' : scenario.replaceAll('_', ' '),
    payment_time: event_time,
    ...(card_id === undefined ? {} : { card_id }),
    ...(merchant_id === undefined ? {} : { merchant_id }),
    ...(terminal_id === undefined ? {} : { terminal_id }),
  };
}
