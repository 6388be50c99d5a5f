import {
  type Alert,
  createTopics,
  type Decision,
  type EnrichedPayment,
  type EnrichedTelemetry,
  type Label,
  type Rule,
} from '@millrace/contracts';
import type { RuleFault } from '@millrace/rules';
import { createTestDriver } from '@millrace/streams';
import { createTopology } from '../src/topology.ts';

/** 2026-01-13T10:00:00Z */
export const START_MS = Date.UTC(2026, 0, 13, 10);
export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** Both stages of the detector in the test driver. */
export function createDetector() {
  const topics = createTopics();
  const faults: RuleFault[][] = [];
  const topology = createTopology(topics, {
    applicationId: 'fraud-detector',
    observe: { decision: () => undefined, alert: () => undefined, ruleFaults: (found) => faults.push([...found]) },
  });
  const driver = createTestDriver(topology, { nowMs: START_MS });
  const send = (event: EnrichedPayment, headers: Record<string, string> = {}): Decision => {
    driver.pipe(topics.paymentsEnriched.name, { value: event, headers });
    const [decision, ...others] = driver.output<Decision>(topics.fraudDecisions.name);
    if (decision === undefined || others.length > 0) throw new Error('not one decision for one payment');
    return decision;
  };
  return {
    topics,
    driver,
    faults,
    /** Sends a payment through both stages. */
    send,
    /** The same, for a payment that is as `payment` makes it. */
    pay: (fields: Partial<EnrichedPayment> = {}, headers?: Record<string, string>) => send(payment(fields), headers),
    read: (fields: Partial<EnrichedTelemetry> = {}) =>
      driver.pipe(topics.telemetryEnriched.name, { value: { ...READING, ...fields } }),
    label: (fields: Partial<Label> = {}) => driver.pipe(topics.fraudLabels.name, { value: { ...LABEL, ...fields } }),
    rule: (rule: Rule) => driver.pipe(topics.fraudRules.name, { value: rule }),
    paymentAlerts: () => driver.output<Alert>(topics.fraudAlerts.name),
    deviceAlerts: () => driver.output<Alert>(topics.telemetryAlerts.name),
  };
}

export function payment(fields: Partial<EnrichedPayment> = {}): EnrichedPayment {
  return {
    transaction_id: 'tx-1',
    event_time: START_MS,
    customer_id: 'c-1',
    card_id: 'card-1',
    ...(fields.payee_id === undefined ? { merchant_id: 'm-1', terminal_id: 't-1' } : {}),
    amount_minor: 2_000,
    currency: 'EUR',
    channel: fields.payee_id === undefined ? 'pos' : 'transfer',
    ...fields,
  };
}

const READING: EnrichedTelemetry = {
  device_id: 't-1',
  owner_id: 'm-1',
  kind: 'terminal',
  event_time: START_MS,
  sequence: 1,
  metrics: { tamper: true, temperature: 20 },
};

const LABEL: Label = {
  transaction_id: 'tx-1',
  customer_id: 'c-1',
  card_id: 'card-1',
  fraud: true,
  labelled_at: START_MS + HOUR_MS,
  source: 'chargeback',
};
