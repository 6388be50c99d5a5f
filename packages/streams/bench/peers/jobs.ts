import {
  aggregateOf,
  count,
  hopping,
  jsonFields,
  streamBuilder,
  sum,
  type Topic,
  type Topology,
} from '../../src/index.ts';
import type { EngineConfig } from './config.ts';

const MINUTE_MS = 60_000;
const GRACE_MS = 10_000;
/** There are 10,000 cards. */
const KEYS_MAX = 100_000;

const paymentFields = {
  transaction_id: 'string',
  event_time: 'number',
  card_id: 'string',
  merchant_id: 'string',
  amount: 'number',
} as const;

/** What W2 reads of a payment; it has six more fields. `event_time` is in epoch milliseconds. */
const readPayment = jsonFields(paymentFields);
const readHighValue = jsonFields({ ...paymentFields, high_value: 'boolean' });

/** And what W1 reads of it. */
const readSpending = jsonFields({ event_time: 'number', card_id: 'string', amount: 'number' });

const readAlert = jsonFields({
  card_id: 'string',
  window_start: 'number',
  window_end: 'number',
  count: 'number',
  sum: 'number',
});

const ofPayment = {
  key: ({ card_id }: { readonly card_id: string }) => card_id,
  timestampMs: ({ event_time }: { readonly event_time: number }) => event_time,
};

/** The two jobs of the peers' README, as a user of this runtime would write them. */
export function createJob(config: EngineConfig): Topology {
  return config.job === 'w1' ? w1(config) : w2(config);
}

/** Per card, ten minutes every minute: windows with many payments or much money, once each, when they have closed. */
function w1({ group, inTopic, outTopic, countMin, sumMin }: EngineConfig): Topology {
  const spending = jsonTopic(inTopic, readSpending, ofPayment);
  const alerts = jsonTopic(outTopic, readAlert, {
    key: ({ card_id }) => card_id,
    timestampMs: ({ window_end }) => window_end,
  });
  const builder = streamBuilder(group);
  builder
    .stage('w1', { graceMs: GRACE_MS, onError: 'stop' })
    .stream(spending)
    .aggregate('windows', {
      windows: hopping({ sizeMs: 10 * MINUTE_MS, advanceMs: MINUTE_MS }),
      aggregation: aggregateOf({ count: count(), sum: sum(({ amount }: { readonly amount: number }) => amount) }),
      emit: 'on-close',
      keysMax: KEYS_MAX,
    })
    .filter(({ result }) => result.count >= countMin || result.sum >= sumMin)
    .map(({ key, window, result }) => ({
      card_id: key,
      window_start: window.startMs,
      window_end: window.endMs,
      count: result.count,
      sum: Math.round(result.sum * 100) / 100,
    }))
    .to(alerts);
  return builder.build();
}

/** Payments over 50, with fewer fields. */
function w2({ group, inTopic, outTopic }: EngineConfig): Topology {
  const payments = jsonTopic(inTopic, readPayment, ofPayment);
  const highValues = jsonTopic(outTopic, readHighValue, ofPayment);
  const builder = streamBuilder(group);
  builder
    .stage('w2', { graceMs: GRACE_MS, onError: 'stop' })
    .stream(payments)
    .filter(({ amount }) => amount > 50)
    .map(({ transaction_id, event_time, card_id, merchant_id, amount }) => ({
      transaction_id,
      event_time,
      card_id,
      merchant_id,
      amount,
      high_value: true,
    }))
    .to(highValues);
  return builder.build();
}

let started = false;
/** The harness takes the time of the first record from this line. */
function sayFirst(): void {
  if (started) return;
  started = true;
  console.log(`FIRST ${Date.now()}`);
}

/** A plain topic: no schema, so none of the headers that go with one. The other engines write none either. */
function jsonTopic<T>(
  name: string,
  read: (bytes: Uint8Array) => T,
  of: Pick<Topic<NoInfer<T>>, 'key' | 'timestampMs'>,
): Topic<T> {
  return {
    name,
    decode: (bytes) => {
      sayFirst();
      return read(bytes);
    },
    encode: (value) => JSON.stringify(value),
    eventId: () => '',
    ...of,
  };
}
