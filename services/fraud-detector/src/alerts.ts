import {
  type Alert,
  currencyExponent,
  type Decision,
  deviceAlertId,
  type EnrichedTelemetry,
  formatAmount,
  PARAGRAPH_LENGTH_MAX,
  type PaymentFeatures,
  paymentAlertId,
  telemetryId,
} from '@millrace/contracts';
import { DEVICE_RULES, type DeviceFinding } from '@millrace/rules';

/** The alert for a payment that is not approved: the decision, with what an analyst needs beside it. */
export function paymentAlert(payment: PaymentFeatures, decision: Decision): Alert {
  const { input: _input, rules_hash: _hash, decided_at, ...decided } = decision;
  return {
    alert_id: paymentAlertId(payment.transaction_id),
    kind: 'payment',
    ...decided,
    channel: payment.channel,
    ...(payment.country === undefined ? {} : { country: payment.country }),
    summary: paymentSummary(payment, decision),
    raised_at: decided_at,
  };
}

export interface Raised {
  readonly raisedAtMs: number;
  readonly ingestedAtMs: number;
  readonly late: boolean;
  readonly traceId: string | undefined;
}

/** The alert for a reading that a device rule objects to. */
export function deviceAlert(reading: EnrichedTelemetry, finding: DeviceFinding, raised: Raised): Alert {
  const { id, version, weight, reason } = DEVICE_RULES[finding.rule];
  const { device_id, owner_id, event_time } = reading;
  return {
    alert_id: deviceAlertId(telemetryId(reading), id),
    kind: 'device',
    event_time,
    device_id,
    ...(owner_id === device_id ? {} : { merchant_id: owner_id }),
    score: weight,
    rules: [{ id, version, reason, weight, values: finding.values }],
    summary: `${reading.kind ?? 'device'} ${device_id}: ${finding.metric} is ${finding.values[finding.metric]}. ${reason}`,
    ...(finding.usual === undefined ? {} : { features: { ...finding.usual } }),
    late: raised.late,
    ingested_at: raised.ingestedAtMs,
    raised_at: raised.raisedAtMs,
    ...(raised.traceId === undefined ? {} : { trace_id: raised.traceId }),
  };
}

function paymentSummary(payment: PaymentFeatures, { decision, score, rules }: Decision): string {
  const { currency, channel, customer_id } = payment;
  const amount = formatAmount(payment.amount_minor, currencyExponent(currency) ?? 0);
  const payee = payment.merchant?.name ?? payment.merchant_id ?? payment.payee_id;
  const reasons = rules.map(({ reason }) => reason).join(' ');
  const what = `${decision} (${score}): ${amount} ${currency} from ${customer_id} to ${payee} by ${channel}.`;
  return `${what} ${reasons}`.slice(0, PARAGRAPH_LENGTH_MAX);
}
