import { defineProcessor, defineTopology, jsonFields, type Topic, type Topology } from '../../src/index.ts';
import type { EngineConfig } from './config.ts';

/** What the jobs read of a payment; it has six more fields. `event_time` is in epoch milliseconds. */
const paymentFields = {
  transaction_id: 'string',
  event_time: 'number',
  card_id: 'string',
  merchant_id: 'string',
  amount: 'number',
} as const;
const readPayment = jsonFields(paymentFields);
type Payment = ReturnType<typeof readPayment>;

const readHighValue = jsonFields({ ...paymentFields, high_value: 'boolean' });
type HighValue = ReturnType<typeof readHighValue>;

/** The two jobs of the peers' README, as a user of this runtime would write them. */
export function createJob(config: EngineConfig): Topology {
  return w2(config);
}

const ofPayment = {
  key: ({ card_id }: Payment) => card_id,
  timestampMs: ({ event_time }: Payment) => event_time,
  eventId: ({ transaction_id }: Payment) => transaction_id,
};

/** Payments over 50, with fewer fields. */
function w2({ group, inTopic, outTopic }: EngineConfig): Topology {
  const payments = jsonTopic(inTopic, readPayment, ofPayment);
  const highValues = jsonTopic<HighValue>(outTopic, readHighValue, ofPayment);
  const select = defineProcessor({
    name: 'w2',
    inputs: { payment: payments },
    outputs: { highValue: highValues },
    graceMs: 10_000,
    onError: 'stop',
    process: {
      payment: ({ transaction_id, event_time, card_id, merchant_id, amount }, { emit }) => {
        if (amount > 50)
          emit('highValue', { transaction_id, event_time, card_id, merchant_id, amount, high_value: true });
      },
    },
  });
  return defineTopology({ applicationId: group, processors: [select] });
}

let started = false;
/** The harness takes the time of the first record from this line. */
function sayFirst(): void {
  if (started) return;
  started = true;
  console.log(`FIRST ${Date.now()}`);
}

function jsonTopic<T>(
  name: string,
  read: (bytes: Uint8Array) => T,
  of: Pick<Topic<T>, 'key' | 'timestampMs' | 'eventId'>,
): Topic<T> {
  return {
    name,
    decode: (bytes) => {
      sayFirst();
      return read(bytes);
    },
    encode: (value) => JSON.stringify(value),
    ...of,
  };
}
