import type { Decision, PaymentFeatures, Topics } from '@millrace/contracts';
import { parseTraceparent } from '@millrace/observability';
import {
  type DeviceHabits,
  decide,
  type FeatureValues,
  factsOf,
  isTamper,
  judgeReading,
  learnTamper,
  MERCHANT_WINDOW,
  observeAtMerchant,
  PAYEE_WINDOW,
  type RuleFault,
  TAMPER_MEMORY_MS,
  type TamperAlarms,
  TERMINAL_WINDOW,
} from '@millrace/rules';
import { defineProcessor, keyValueStore, slidingWindowStore } from '@millrace/streams';
import { deviceAlert, paymentAlert } from './alerts.ts';
import { jsonCodec } from './json-codec.ts';
import { createRulesInForce } from './rules-in-force.ts';

const GRACE_MS = 60_000;
const DEVICES_MAX = 250_000;
/** A device that has not spoken for so long has no habits any more. */
const HABITS_MEMORY_MS = 7 * 86_400_000;

/** What this stage counts; after a crash some of it is counted again. */
export interface MerchantObserver {
  decision(decision: Decision['decision']): void;
  alert(kind: 'payment' | 'device'): void;
  /** Rules from the topic that cannot be used; called when the rules change. */
  ruleFaults(faults: readonly RuleFault[]): void;
}

/**
 * The merchant stage: adds what is known of merchant, terminal and payee, decides every payment by the rules in force,
 * and raises an alert for each that is not approved. Readings of devices come to the same partition: a tamper alarm
 * counts against the payments at that terminal, and a device that behaves oddly raises an alert of its own.
 *
 * Delivery: exactly once. A payment's decision, its alert and the windows it changed are committed together.
 */
export function merchantProcessor(topics: Topics, observe: MerchantObserver) {
  const rulesInForce = createRulesInForce(observe.ruleFaults);
  return defineProcessor({
    name: 'merchant',
    inputs: { payment: topics.paymentsByMerchant, reading: topics.telemetryEnriched },
    globals: { rules: topics.fraudRules },
    stores: {
      merchants: slidingWindowStore(MERCHANT_WINDOW),
      terminals: slidingWindowStore(TERMINAL_WINDOW),
      payees: slidingWindowStore(PAYEE_WINDOW),
      tamper: keyValueStore<TamperAlarms>({
        ...jsonCodec<TamperAlarms>(),
        ttlMs: TAMPER_MEMORY_MS,
        entriesMax: DEVICES_MAX,
      }),
      devices: keyValueStore<DeviceHabits>({
        ...jsonCodec<DeviceHabits>(),
        ttlMs: HABITS_MEMORY_MS,
        entriesMax: DEVICES_MAX,
      }),
    },
    outputs: { decision: topics.fraudDecisions, paymentAlert: topics.fraudAlerts, deviceAlert: topics.telemetryAlerts },
    graceMs: GRACE_MS,
    onError: 'dead-letter',

    process: {
      payment(payment, { stores, globals, record, nowMs, emit }) {
        const { merchant_id, terminal_id, payee_id } = payment;
        const found = observeAtMerchant(payment, payment.customer_features, {
          merchant: merchant_id === undefined ? undefined : stores.merchants.window(merchant_id),
          terminal: terminal_id === undefined ? undefined : stores.terminals.window(terminal_id),
          payee: payee_id === undefined ? undefined : stores.payees.window(payee_id),
          tamperAlarms: terminal_id === undefined ? undefined : stores.tamper.get(terminal_id),
        });
        const features: FeatureValues = { ...payment.customer_features, ...found };
        const verdict = decide(factsOf(payment, features), rulesInForce(globals.rules));

        const traceId = parseTraceparent(record.traceparent)?.traceId;
        const decision: Decision = {
          ...aboutPayment(payment),
          decision: verdict.decision,
          score: verdict.score,
          rules: verdict.rules,
          features,
          late: record.late,
          input: payment.input,
          rules_hash: verdict.rules_hash,
          ingested_at: record.ingestedAtMs,
          decided_at: nowMs,
          ...(traceId === undefined ? {} : { trace_id: traceId }),
        };
        emit('decision', decision);
        observe.decision(decision.decision);
        if (decision.decision === 'approve') return;
        emit('paymentAlert', paymentAlert(payment, decision));
        observe.alert('payment');
      },

      reading(reading, { stores, record, nowMs, emit }) {
        const { device_id, event_time } = reading;
        if (isTamper(reading)) {
          stores.tamper.put(device_id, learnTamper(event_time, stores.tamper.get(device_id)));
        }
        const { habits, findings } = judgeReading(reading, stores.devices.get(device_id));
        stores.devices.put(device_id, habits);
        for (const finding of findings) {
          const traceId = parseTraceparent(record.traceparent)?.traceId;
          const { late, ingestedAtMs } = record;
          emit('deviceAlert', deviceAlert(reading, finding, { late, ingestedAtMs, traceId, raisedAtMs: nowMs }));
          observe.alert('device');
        }
      },
    },

    onTombstone(input, _key, { deadLetter }) {
      deadLetter('empty', `a ${input} without a value`);
    },
  });
}

/** What a decision says of the payment, so that it can be read without it. */
function aboutPayment(payment: PaymentFeatures) {
  const { transaction_id, event_time, customer_id, amount_minor, currency } = payment;
  const { card_id, merchant_id, payee_id, terminal_id } = payment;
  return {
    transaction_id,
    event_time,
    customer_id,
    ...(card_id === undefined ? {} : { card_id }),
    ...(merchant_id === undefined ? {} : { merchant_id }),
    ...(payee_id === undefined ? {} : { payee_id }),
    ...(terminal_id === undefined ? {} : { terminal_id }),
    amount_minor,
    currency,
  };
}
