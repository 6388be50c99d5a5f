import { type Alert, currencyExponent, type Decision, formatAmount, type Profile } from '@millrace/contracts';
import type { DeviceSummary, MerchantSummary, StoredPayment } from '@millrace/warehouse';

// What the API writes: the events' own fields, with times as RFC 3339 and money as a decimal string, as on the wire.

export function paymentView({ amount_minor, ...payment }: StoredPayment) {
  return {
    ...payment,
    event_time: time(payment.event_time),
    amount: amount(amount_minor, payment.currency),
    ingested_at: time(payment.ingested_at),
    ...(payment.profile && { profile: profileFields(payment.profile) }),
  };
}

export function decisionView({ amount_minor, ...decision }: Decision) {
  return {
    ...decision,
    event_time: time(decision.event_time),
    amount: amount(amount_minor, decision.currency),
    ingested_at: time(decision.ingested_at),
    decided_at: time(decision.decided_at),
  };
}

export function alertView({ amount_minor, ...alert }: Alert) {
  return {
    ...alert,
    event_time: time(alert.event_time),
    ...(amount_minor !== undefined && { amount: amount(amount_minor, alert.currency ?? '') }),
    ...(alert.ingested_at !== undefined && { ingested_at: time(alert.ingested_at) }),
    raised_at: time(alert.raised_at),
  };
}

export function profileView(profile: Profile) {
  return {
    ...profile,
    updated_at: time(profile.updated_at),
    fields: profileFields(profile.fields),
    sources: Object.fromEntries(Object.entries(profile.sources).map(([source, ms]) => [source, time(ms)])),
  };
}

export function merchantView(merchant: MerchantSummary) {
  return {
    ...merchant,
    first_payment_at: time(merchant.first_payment_at),
    last_payment_at: time(merchant.last_payment_at),
    terminals: merchant.terminals.map((terminal) => ({
      ...terminal,
      last_payment_at: time(terminal.last_payment_at),
    })),
  };
}

export function deviceView(device: DeviceSummary) {
  return {
    ...device,
    last_reading_at: time(device.last_reading_at),
    metrics: device.metrics.map((metric) => ({ ...metric, event_time: time(metric.event_time) })),
    readings: device.readings.map((reading) => ({
      ...reading,
      event_time: time(reading.event_time),
      ingested_at: time(reading.ingested_at),
    })),
  };
}

export function time(ms: number): string {
  return new Date(ms).toISOString();
}

/** The currency was checked when the event came in; two digits for one that has left the table since. */
function amount(amountMinor: number, currency: string): string {
  return formatAmount(amountMinor, currencyExponent(currency) ?? 2);
}

function profileFields(fields: Profile['fields']) {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, { ...field, updated_at: time(field.updated_at) }]),
  );
}
