import type { Alert, Decision } from './decision.ts';
import type { Label } from './label.ts';
import type { BatchProgress, DeadLetter, FraudCase, Redrive } from './operations.ts';
import type { EnrichedPayment, Payment, PaymentFeatures } from './payment.ts';
import type { CustomerSource, Device, Merchant, Profile } from './reference.ts';
import type { Rule } from './rule.ts';
import type { EnrichedTelemetry, Telemetry } from './telemetry.ts';

/**
 * One valid value of every schema: examples for the documentation, and a start for tests. They tell one story: a card
 * from Lisbon pays at a terminal whose tamper alarm has gone off, is declined, and turns out to be stolen.
 */

/** What senders write. */
export const wireSamples = {
  payment: {
    transaction_id: 'tx-20260301-0001',
    event_time: '2026-03-01T12:00:00Z',
    customer_id: 'cust-00596',
    card_id: 'card-00596-1',
    merchant_id: 'shop-0031',
    terminal_id: 'term-03156',
    mcc: '5732',
    amount: '899.00',
    currency: 'EUR',
    country: 'PT',
    channel: 'pos',
    status: 'authorised',
    latitude: 38.7223,
    longitude: -9.1393,
    device_id: 'phone-00596',
    entry_mode: 'contactless',
  },
  telemetry: {
    device_id: 'term-03156',
    event_time: 1_772_366_340_000,
    sequence: 4_711,
    metrics: { temperature: 31.5, tamper: true },
    firmware: '4.2.1',
  },
  label: {
    transaction_id: 'tx-20260301-0001',
    customer_id: 'cust-00596',
    fraud: true,
    labelled_at: '2026-03-08T09:30:00+01:00',
    source: 'chargeback',
    reason: 'Customer does not recognise the payment',
  },
  customerSource: {
    customer_id: 'cust-00596',
    source: 'crm',
    updated_at: '2026-01-15T08:00:00Z',
    name: 'Ana Sousa',
    home_country: 'PT',
    segment: 'retail',
  },
  merchant: {
    merchant_id: 'shop-0031',
    updated_at: '2025-11-01T00:00:00Z',
    name: 'Loja de Eletrónica',
    mcc: '5732',
    country: 'PT',
    latitude: 38.7167,
    longitude: -9.1333,
  },
  device: {
    device_id: 'term-03156',
    updated_at: '2025-11-01T00:00:00Z',
    merchant_id: 'shop-0031',
    kind: 'terminal',
    country: 'PT',
    latitude: 38.7167,
    longitude: -9.1333,
    firmware: '4.2.1',
  },
};

const payment = {
  transaction_id: 'tx-20260301-0001',
  event_time: 1_772_366_400_000,
  customer_id: 'cust-00596',
  card_id: 'card-00596-1',
  merchant_id: 'shop-0031',
  terminal_id: 'term-03156',
  mcc: '5732',
  amount_minor: 89_900,
  currency: 'EUR',
  country: 'PT',
  channel: 'pos',
  status: 'authorised',
  latitude: 38.7223,
  longitude: -9.1393,
  device_id: 'phone-00596',
  attributes: { entry_mode: 'contactless' },
} satisfies Payment;

const telemetry = {
  device_id: 'term-03156',
  event_time: 1_772_366_340_000,
  sequence: 4_711,
  metrics: { temperature: 31.5, tamper: true },
  firmware: '4.2.1',
} satisfies Telemetry;

const profile = {
  customer_id: 'cust-00596',
  updated_at: 1_768_464_000_000,
  fields: {
    home_country: { value: 'PT', source: 'crm', updated_at: 1_768_464_000_000 },
    risk_class: { value: 'low', source: 'kyc', updated_at: 1_735_689_600_000 },
  },
  sources: { crm: 1_768_464_000_000, kyc: 1_735_689_600_000 },
} satisfies Profile;

const enrichedPayment = {
  ...payment,
  profile: profile.fields,
  merchant: { name: 'Loja de Eletrónica', mcc: '5732', country: 'PT', latitude: 38.7167, longitude: -9.1333 },
  terminal: { kind: 'terminal', merchant_id: 'shop-0031', country: 'PT', latitude: 38.7167, longitude: -9.1333 },
} satisfies EnrichedPayment;

const tamperRule = {
  id: 'terminal-tampered',
  version: 3,
  reason: 'The terminal raised a tamper alarm shortly before',
  weight: 850,
};

const decision = {
  transaction_id: 'tx-20260301-0001',
  event_time: 1_772_366_400_000,
  customer_id: 'cust-00596',
  card_id: 'card-00596-1',
  merchant_id: 'shop-0031',
  terminal_id: 'term-03156',
  amount_minor: 89_900,
  currency: 'EUR',
  decision: 'decline',
  score: 850,
  rules: [{ ...tamperRule, values: { 'terminal.tamper_age_s': 60 } }],
  features: { 'card.count_1h': 1, 'customer.amount_mean_7d': 4_210.5, 'terminal.tamper_age_s': 60 },
  late: false,
  input: { topic: 'payments.by-merchant', partition: 2, offset: 1_234 },
  rules_hash: '9f86d081884c7d65',
  ingested_at: 1_772_366_400_120,
  decided_at: 1_772_366_400_180,
  trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
} satisfies Decision;

/** What is in Kafka. */
export const samples = {
  payment,
  telemetry,
  label: {
    transaction_id: 'tx-20260301-0001',
    customer_id: 'cust-00596',
    fraud: true,
    labelled_at: 1_772_958_600_000,
    source: 'chargeback',
    reason: 'Customer does not recognise the payment',
  } satisfies Label as Label,
  customerSource: {
    customer_id: 'cust-00596',
    source: 'crm',
    updated_at: 1_768_464_000_000,
    fields: { name: 'Ana Sousa', home_country: 'PT', segment: 'retail' },
  } satisfies CustomerSource as CustomerSource,
  profile: profile as Profile,
  merchant: {
    merchant_id: 'shop-0031',
    updated_at: 1_761_955_200_000,
    name: 'Loja de Eletrónica',
    mcc: '5732',
    country: 'PT',
    latitude: 38.7167,
    longitude: -9.1333,
  } satisfies Merchant as Merchant,
  device: {
    device_id: 'term-03156',
    updated_at: 1_761_955_200_000,
    merchant_id: 'shop-0031',
    kind: 'terminal',
    country: 'PT',
    latitude: 38.7167,
    longitude: -9.1333,
    firmware: '4.2.1',
  } satisfies Device as Device,
  enrichedPayment: enrichedPayment as EnrichedPayment,
  paymentFeatures: {
    ...enrichedPayment,
    customer_features: { 'card.count_1h': 1, 'customer.amount_mean_7d': 4_210.5 },
    input: { topic: 'payments.enriched', partition: 2, offset: 1_230 },
  } satisfies PaymentFeatures as PaymentFeatures,
  enrichedTelemetry: {
    ...telemetry,
    owner_id: 'shop-0031',
    kind: 'terminal',
  } satisfies EnrichedTelemetry as EnrichedTelemetry,
  decision: decision as Decision,
  alert: {
    alert_id: 'payment:tx-20260301-0001',
    kind: 'payment',
    event_time: 1_772_366_400_000,
    customer_id: 'cust-00596',
    transaction_id: 'tx-20260301-0001',
    card_id: 'card-00596-1',
    merchant_id: 'shop-0031',
    terminal_id: 'term-03156',
    amount_minor: 89_900,
    currency: 'EUR',
    country: 'PT',
    channel: 'pos',
    decision: 'decline',
    score: 850,
    rules: decision.rules,
    summary: '899.00 EUR at Loja de Eletrónica declined: the terminal raised a tamper alarm shortly before',
    features: decision.features,
    late: false,
    ingested_at: 1_772_366_400_120,
    raised_at: 1_772_366_400_180,
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
  } satisfies Alert as Alert,
  rule: {
    ...tamperRule,
    name: 'Tampered terminal',
    enabled: true,
    when: {
      all: [
        { feature: 'terminal.tamper_age_s', op: 'lt', value: 3_600 },
        { not: { feature: 'late', op: 'eq', value: true } },
      ],
    },
    updated_at: 1_769_904_000_000,
  } satisfies Rule as Rule,
  fraudCase: {
    case_id: 'case-0001',
    alert_id: 'payment:tx-20260301-0001',
    customer_id: 'cust-00596',
    transaction_id: 'tx-20260301-0001',
    status: 'confirmed',
    assignee: 'Rita',
    note: 'Skimmer found on the terminal.',
    opened_at: 1_772_366_500_000,
    updated_at: 1_772_370_000_000,
  } satisfies FraudCase as FraudCase,
  deadLetter: {
    id: 'payments.raw:2:1235',
    origin: { kind: 'kafka', topic: 'payments.raw', partition: 2, offset: 1_235 },
    stage: 'enricher/customer',
    reason: 'malformed-json',
    message: 'the payment.v1 is not JSON',
    value_base64: 'e25vdCBqc29u',
    key: 'cust-00596',
    headers: { schema: 'payment.v1' },
    failed_at: 1_772_366_401_000,
  } satisfies DeadLetter as DeadLetter,
  redrive: {
    id: '2f1c0a52-6f0e-4f0b-9a64-0c6f5f1f8f11',
    stages: ['ingest'],
    topic: 'telemetry.raw',
    event_ids: ['term-03156:1772366340000:4711'],
    redriven_at: 1_772_370_000_000,
  } satisfies Redrive as Redrive,
  batchProgress: {
    batch_id: 'payments-2018',
    kind: 'payments',
    last_line_settled: 2_001,
    received: 2_000,
    accepted: 1_999,
    rejected: 1,
    skipped: 0,
    events: 1_999,
    problems: [{ line: 17, field: 'currency', code: 'unknown-value', message: 'is no currency' }],
    done: false,
    started_at: 1_772_366_400_000,
    updated_at: 1_772_366_460_000,
  } satisfies BatchProgress as BatchProgress,
};
