import { Alert, Decision, EnrichedPayment, ProfileField } from '@millrace/contracts';
import { IsOptional, type TProperties, type TSchema, Type } from 'typebox';

// Schemas of answers, for the OpenAPI text: the events' own, with the changes that views.ts makes. Nothing is
// serialised by them; a test checks answers against them.

export const dateTime = (description: string) => Type.String({ format: 'date-time', description });
const count = (description: string) => Type.Integer({ minimum: 0, description });

const amount = Type.String({ pattern: '^\\d+(\\.\\d+)?$', description: 'Decimal, in the currency.' });
const mapOf = (value: TSchema, description: string) =>
  Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: value, description });
const fields = mapOf(
  Type.Object({ ...ProfileField.properties, updated_at: dateTime('When that source last changed it.') }),
  'The newest value of each field, with its source.',
);

/** The properties of an event with its times as text and its amount as a decimal. */
function answered<Properties extends TProperties>(properties: Properties, times: TProperties) {
  const { amount_minor, ...others } = properties as Properties & { amount_minor: TSchema };
  return { ...others, ...times, amount: IsOptional(amount_minor) ? Type.Optional(amount) : amount };
}

export const PaymentAnswer = Type.Object(
  answered(EnrichedPayment.properties, {
    event_time: dateTime('When the customer paid.'),
    ingested_at: dateTime('When it was accepted.'),
    profile: Type.Optional(fields),
  }),
  { title: 'Payment' },
);
export const DecisionAnswer = Type.Object(
  answered(Decision.properties, {
    event_time: dateTime('When the customer paid.'),
    ingested_at: dateTime('When the payment was accepted.'),
    decided_at: dateTime('When it was decided.'),
  }),
  { title: 'Decision' },
);
export const AlertAnswer = Type.Object(
  answered(Alert.properties, {
    event_time: dateTime('When it happened.'),
    ingested_at: Type.Optional(dateTime('When the event was accepted.')),
    raised_at: dateTime('When the alert was raised.'),
  }),
  { title: 'Alert' },
);

export const pageOfAnswers = (item: TSchema) =>
  Type.Object({
    items: Type.Array(item),
    next_cursor: Type.Union([Type.String(), Type.Null()], { description: 'For `cursor` of the next page.' }),
  });

export const ProfileAnswer = Type.Object({
  customer_id: Type.String(),
  updated_at: dateTime('The newest of the times of its sources.'),
  fields,
  sources: mapOf(dateTime('When it last changed.'), 'The sources that have contributed.'),
});

export const CustomerAnswer = Type.Object({
  customer_id: Type.String(),
  profile: Type.Union([ProfileAnswer, Type.Null()]),
  payments: Type.Array(PaymentAnswer),
  decisions: Type.Array(DecisionAnswer),
  alerts: Type.Array(AlertAnswer),
});

export const MerchantAnswer = Type.Object({
  merchant_id: Type.String(),
  merchant: mapOf({}, 'What was known of it at the newest payment.'),
  payments: count('Payments ever.'),
  customers: count('Distinct customers ever.'),
  first_payment_at: dateTime('By event time.'),
  last_payment_at: dateTime('By event time.'),
  terminals: Type.Array(
    Type.Object({ terminal_id: Type.String(), payments: count('Payments ever.'), last_payment_at: dateTime('') }),
  ),
  recent_payments: Type.Array(PaymentAnswer),
  alerts: Type.Array(AlertAnswer),
});

export const DeviceAnswer = Type.Object({
  device_id: Type.String(),
  owner_id: Type.String({ description: 'The merchant that owns it; itself when nobody is known.' }),
  kind: Type.Optional(Type.String()),
  firmware: Type.Optional(Type.String()),
  latitude: Type.Optional(Type.Number()),
  longitude: Type.Optional(Type.Number()),
  status: Type.Enum(['online', 'offline', 'unknown'], { description: "By the device's own last word (`online`)." }),
  last_reading_at: dateTime('By event time.'),
  metrics: Type.Array(Type.Object({ metric: Type.String(), value: Type.Number(), event_time: dateTime('') }), {
    description: 'The newest value of each metric; yes is 1 and no is 0.',
  }),
  readings: Type.Array(
    Type.Object({
      event_time: dateTime(''),
      sequence: Type.Optional(Type.Integer()),
      metrics: mapOf(Type.Number(), 'By name.'),
      ingested_at: dateTime(''),
    }),
  ),
  alerts: Type.Array(AlertAnswer),
});

const hopCounts = Type.Object({
  accepted: count('In a ledger of a sender, or in the raw topic.'),
  raw: count('In the raw topic.'),
  enriched: count('Enriched.'),
  decided: count('Decided; for telemetry the same as enriched.'),
  stored: count('Stored at every hop.'),
  lost: count('Accepted longer ago than the settle time, not stored and not dead-lettered. Goes back when it arrives.'),
  duplicated: count('Rows beyond one per event.'),
});
export const ReconciliationAnswer = Type.Object({ payments: hopCounts, telemetry: hopCounts });

const quantiles = Type.Object({ p50: Type.Number(), p99: Type.Number() });
export const StatsAnswer = Type.Object({
  now: dateTime('When this was read.'),
  step_seconds: Type.Integer(),
  series: Type.Array(
    Type.Object({
      time: dateTime('Start of the step.'),
      payments: count('Payments accepted in the step that are decided and stored.'),
      approve: count(''),
      review: count(''),
      decline: count(''),
      readings: count('Readings accepted in the step.'),
    }),
  ),
  latency_ms: Type.Union(
    [Type.Object({ decided: quantiles, stored: quantiles }, { description: 'From acceptance.' }), Type.Null()],
    { description: 'Of the last minute; null when nothing was decided in it.' },
  ),
  totals: Type.Object({
    payments: count(''),
    decisions: count(''),
    alerts: count(''),
    readings: count(''),
    dead_letters: count(''),
    rows: count('In all tables of events.'),
  }),
});

const ProblemAnswer = Type.Object(
  {
    type: Type.String({ description: 'Names the kind of problem; for programs.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What to do about it; for people.' }),
    problems: Type.Optional(Type.Array(Type.Object({ field: Type.String(), message: Type.String() }))),
  },
  { title: 'Problem' },
);
/** Problem details (RFC 9457). Handlers do not return them, the error handler does, so their type says nothing of them. */
export function problemAnswer(description: string): { description: string } {
  return { description, content: { 'application/problem+json': { schema: ProblemAnswer } } } as { description: string };
}
export const problemAnswers = {
  400: problemAnswer('A parameter is not right; `problems` name field and remedy.'),
  431: problemAnswer('The URL and the headers are too long together.'),
  503: problemAnswer('The store is starting or away, or the question took too long: after Retry-After seconds.'),
};
export const notFoundAnswer = {
  404: problemAnswer('There is no such thing.'),
  414: problemAnswer('No id is that long.'),
};
