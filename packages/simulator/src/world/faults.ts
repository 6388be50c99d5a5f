import type { Random } from '../random.ts';
import type { Delivery, WirePayment, WireTelemetry } from './events.ts';

/** Shares of events, 0 to 1. */
export interface FaultRates {
  /** Arrives minutes later than it happened. */
  readonly late: number;
  /** Arrives some seconds later, so behind events that happened after it. */
  readonly outOfOrder: number;
  /** Sent a second time, with the same id. */
  readonly duplicate: number;
  /** A further message beside the events, which nobody may accept. */
  readonly malformed: number;
}

export const USUAL_FAULTS: FaultRates = { late: 0.005, outOfOrder: 0.02, duplicate: 0.005, malformed: 0.001 };
export const NO_FAULTS: FaultRates = { late: 0, outOfOrder: 0, duplicate: 0, malformed: 0 };

const NETWORK_MS = { from: 2, to: 40 };
const OUT_OF_ORDER_MS = { from: 200, to: 5_000 };
const LATE_MS = { from: 61_000, to: 600_000 };
const DUPLICATE_MS = { from: 50, to: 20_000 };
/** Nothing is held back longer than this, a duplicate of a late event included. */
export const DELAY_MS_MAX = LATE_MS.to + DUPLICATE_MS.to;

/** When an event that happened at `eventMs` is sent, and when once more. */
export function deliver(
  eventMs: number,
  rates: FaultRates,
  random: Random,
): { readonly sendAtMs: number; readonly delivery: Delivery; readonly againAtMs: number | undefined } {
  const draw = random.uniform();
  const delivery = draw < rates.late ? 'late' : draw < rates.late + rates.outOfOrder ? 'out-of-order' : 'on-time';
  const delay = delivery === 'late' ? LATE_MS : delivery === 'out-of-order' ? OUT_OF_ORDER_MS : NETWORK_MS;
  const sendAtMs = eventMs + random.integer(delay.from, delay.to);
  const again = random.chance(rates.duplicate);
  return {
    sendAtMs,
    delivery,
    againAtMs: again ? sendAtMs + random.integer(DUPLICATE_MS.from, DUPLICATE_MS.to) : undefined,
  };
}

/** The ways in which a payment is spoilt. Each answer must name the field. */
const PAYMENT_FAULTS: Readonly<Record<string, (payment: WirePayment) => unknown>> = {
  'negative-amount': (payment) => ({ ...payment, amount: `-${payment.amount}` }),
  'unknown-currency': (payment) => ({ ...payment, currency: 'XQZ' }),
  'wrong-type': (payment) => ({ ...payment, amount: true }),
  'missing-customer': ({ customer_id: _, ...payment }) => payment,
  'in-the-future': (payment) => ({ ...payment, event_time: payment.event_time + 86_400_000 }),
  'two-counterparties': (payment) => ({ ...payment, merchant_id: 'mer-00001', payee_id: 'acct-0000001' }),
};
const TELEMETRY_FAULTS: Readonly<Record<string, (reading: WireTelemetry) => unknown>> = {
  'no-metrics': (reading) => ({ ...reading, metrics: {} }),
  'metric-text': (reading) => ({ ...reading, metrics: { temperature_c: 'warm' } }),
  'other-device': (reading) => ({ ...reading, device_id: `${reading.device_id}-other` }),
  'too-old': (reading) => ({ ...reading, event_time: reading.event_time - 40 * 86_400_000 }),
};
const CUT_OFF = 'malformed-json';

export const spoilPayment = (payment: WirePayment, random: Random) => spoil(payment, PAYMENT_FAULTS, random);
export const spoilTelemetry = (reading: WireTelemetry, random: Random) => spoil(reading, TELEMETRY_FAULTS, random);

function spoil<T>(
  event: T,
  faults: Readonly<Record<string, (event: T) => unknown>>,
  random: Random,
): { readonly fault: string; readonly body: string } {
  const fault = random.pick([CUT_OFF, ...Object.keys(faults)]);
  const spoilt = faults[fault];
  if (spoilt !== undefined) return { fault, body: JSON.stringify(spoilt(event)) };
  const text = JSON.stringify(event);
  return { fault, body: text.slice(0, random.integer(1, text.length - 1)) };
}
