import Type from 'typebox';
import * as field from './fields.ts';
import { ALERT_ID_LENGTH_MAX, PARAGRAPH_LENGTH_MAX, RULES_FIRED_MAX, SCORE_MAX } from './limits.ts';
import { CHANNELS } from './payment.ts';

export const DECISIONS = ['approve', 'review', 'decline'] as const;
export const ALERT_KINDS = ['payment', 'device'] as const;

const version = () => Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
export const weight = () => Type.Number({ minimum: 0, maximum: SCORE_MAX });

/** A rule that fired, with the values that made it fire. */
export const FiredRule = Type.Object({
  id: field.name('Id of the rule.'),
  version: version(),
  reason: field.text('Why, for a reader.'),
  weight: weight(),
  values: field.map<field.Scalar>(field.Scalar, {
    names: field.NAME_PATTERN,
    max: RULES_FIRED_MAX,
    description: 'The features that the rule looked at, with their values.',
  }),
});
export type FiredRule = Type.Static<typeof FiredRule>;

const rules = () => Type.Array(FiredRule, { maxItems: RULES_FIRED_MAX });
const involved = {
  card_id: Type.Optional(field.id('Token of the card.')),
  merchant_id: Type.Optional(field.id('Who was paid.')),
  payee_id: Type.Optional(field.id('Who was paid by a transfer.')),
  terminal_id: Type.Optional(field.id('Terminal or cash machine.')),
};

/** `decision.v1`: one for every payment; it can be read without the payment. */
export const Decision = Type.Object({
  transaction_id: field.transactionId('The payment that is decided.'),
  event_time: field.timeMs('When the customer paid.'),
  customer_id: field.id('Who paid; the key of the record.'),
  ...involved,
  amount_minor: field.amountMinor(),
  currency: field.currency(),
  decision: Type.Enum(DECISIONS),
  score: field.score(),
  rules: rules(),
  features: field.features('All features of the payment, by name; a yes-or-no feature is 1 or 0.'),
  late: Type.Boolean({ description: 'The payment came after stream time minus grace.' }),
  input: field.RecordPosition,
  rules_hash: field.name('Names the set of rules that decided.'),
  ingested_at: field.timeMs('When ingest accepted the payment.'),
  decided_at: field.timeMs('When it was decided.'),
  trace_id: Type.Optional(field.traceId()),
});
export type Decision = Type.Static<typeof Decision>;

/** `alert.v1`: a decision that is not `approve`, or an anomaly of a device. */
export const Alert = Type.Object({
  alert_id: Type.String({
    pattern: field.ALERT_ID_PATTERN,
    maxLength: ALERT_ID_LENGTH_MAX,
    description: '`payment:<transaction_id>` or `device:<id of the reading>:<rule>`; a repeat has the same id.',
  }),
  kind: Type.Enum(ALERT_KINDS),
  event_time: field.timeMs('When it happened.'),
  customer_id: Type.Optional(field.id('Whose payment it was.')),
  device_id: Type.Optional(field.id('The device that behaves oddly.')),
  transaction_id: Type.Optional(field.transactionId('The payment.')),
  ...involved,
  amount_minor: Type.Optional(field.amountMinor()),
  currency: Type.Optional(field.currency()),
  country: Type.Optional(field.country()),
  channel: Type.Optional(Type.Enum(CHANNELS)),
  decision: Type.Optional(Type.Enum(DECISIONS)),
  score: field.score(),
  rules: rules(),
  summary: field.text('What happened, in a sentence.', PARAGRAPH_LENGTH_MAX),
  features: Type.Optional(field.features('What an analyst needs to judge it.')),
  late: Type.Optional(Type.Boolean()),
  ingested_at: Type.Optional(field.timeMs('When ingest accepted the event.')),
  raised_at: field.timeMs('When the alert was raised.'),
  trace_id: Type.Optional(field.traceId()),
});
export type Alert = Type.Static<typeof Alert>;

/** The id of the alert for a payment. */
export function paymentAlertId(transactionId: string): string {
  return `payment:${transactionId}`;
}

/** The id of the alert that `ruleId` raises for a reading (`telemetryId`). */
export function deviceAlertId(readingId: string, ruleId: string): string {
  return `device:${readingId}:${ruleId}`;
}
