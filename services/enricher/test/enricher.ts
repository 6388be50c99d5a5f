import {
  type CustomerSource,
  createTopics,
  type EnrichedPayment,
  type EnrichedTelemetry,
  type Payment,
  type Profile,
  type Telemetry,
} from '@millrace/contracts';
import { createTestDriver } from '@millrace/streams';
import { createTopology } from '../src/topology.ts';

/** 2026-01-13T10:00:00Z */
export const START_MS = Date.UTC(2026, 0, 13, 10);
export const MINUTE_MS = 60_000;

/** The enricher in the test driver, with what it counts. */
export function createEnricher() {
  const topics = createTopics();
  const duplicates: string[] = [];
  const topology = createTopology(topics, {
    applicationId: 'enricher',
    onDuplicate: (kind, conflict) => duplicates.push(`${kind}${conflict ? ' conflict' : ''}`),
  });
  const driver = createTestDriver(topology, { nowMs: START_MS });
  return {
    topics,
    driver,
    duplicates,
    pay: (fields: Partial<Payment> = {}) => driver.pipe(topics.paymentsRaw.name, { value: payment(fields) }),
    read: (fields: Partial<Telemetry> = {}) => driver.pipe(topics.telemetryRaw.name, { value: reading(fields) }),
    tell: (source: 'crm' | 'accounts' | 'kyc', fields: CustomerSource['fields'], minute: number) =>
      driver.pipe(topics.customersSource[source].name, {
        value: { customer_id: 'c-1', source, updated_at: START_MS + minute * MINUTE_MS, fields },
      }),
    forget: (source: 'crm' | 'accounts' | 'kyc', minute: number) =>
      driver.pipe(topics.customersSource[source].name, {
        value: null,
        key: 'c-1',
        timestampMs: START_MS + minute * MINUTE_MS,
      }),
    payments: () => driver.output<EnrichedPayment>(topics.paymentsEnriched.name),
    readings: () => driver.output<EnrichedTelemetry>(topics.telemetryEnriched.name),
    profiles: () => driver.output<Profile | null>(topics.customersProfile.name),
  };
}

export function payment(fields: Partial<Payment> = {}): Payment {
  return {
    transaction_id: 'tx-1',
    event_time: START_MS,
    customer_id: 'c-1',
    card_id: 'card-1',
    merchant_id: 'm-1',
    amount_minor: 2_000,
    currency: 'EUR',
    channel: 'pos',
    ...fields,
  };
}

function reading(fields: Partial<Telemetry> = {}): Telemetry {
  return { device_id: 'd-1', event_time: START_MS, sequence: 1, metrics: { temperature: 20 }, ...fields };
}
