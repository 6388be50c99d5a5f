import {
  type CustomerSource,
  type EnrichedPayment,
  type Payment,
  type Profile,
  SOURCE_FIELDS_MAX,
  type Topics,
} from '@millrace/contracts';
import { defineProcessor, hash, type KeyValueStore, keyValueStore, slidingWindowStore } from '@millrace/streams';
import { type CustomerKnowledge, decodeKnowledge, encodeKnowledge, learn, retract } from './profile.ts';
import { knownMerchant, knownTerminal } from './reference.ts';

const GRACE_MS = 60_000;
/** In stream time since the payment came; a file of a year's payments is recognised when it is loaded again. */
const SEEN_MS = 400 * 86_400_000;
/** A repeat is recognised while its first is among this many newest payments of the customer. */
const SEEN_PER_CUSTOMER_MAX = 1_024;
/** Per partition: about 1 GB of state, and more customers than one process should serve. */
const CUSTOMERS_MAX = 1_000_000;
/** A window that ends after every event and is as long as all of time. */
const EVER_MS = Number.MAX_SAFE_INTEGER;

/**
 * Payments, and the sources of the customer profile, by customer.
 *
 * A payment is told apart by its `transaction_id`. The same payment again is dropped and counted. Another payment under
 * a known id is put aside as a dead letter, because one of the two would otherwise vanish unseen. Ids are compared
 * within a customer: that is the key by which a repeat finds its first.
 *
 * Delivery: exactly once. A payment is emitted in the transaction that remembers its id, so whatever a sender repeats
 * and whenever a process dies, `payments.enriched` has it once.
 */
export function paymentProcessor(topics: Topics, onDuplicate: (conflict: boolean) => void) {
  return defineProcessor({
    name: 'payments',
    inputs: { payment: topics.paymentsRaw, ...topics.customersSource },
    globals: { merchants: topics.merchants, devices: topics.devices },
    stores: {
      seen: slidingWindowStore({
        fields: ['id', 'content'],
        retentionMs: SEEN_MS,
        eventsPerKeyMax: SEEN_PER_CUSTOMER_MAX,
        keysMax: CUSTOMERS_MAX,
      }),
      customers: keyValueStore<CustomerKnowledge>({
        encode: encodeKnowledge,
        decode: decodeKnowledge,
        entriesMax: CUSTOMERS_MAX,
      }),
    },
    outputs: { payment: topics.paymentsEnriched, profile: topics.customersProfile },
    graceMs: GRACE_MS,
    onError: 'dead-letter',

    process: {
      payment(payment, { stores, globals, emit, deadLetter, streamTimeMs }) {
        const { event_time, customer_id, merchant_id, terminal_id } = payment;
        const seen = stores.seen.window(customer_id);
        const id = hash(payment.transaction_id);
        const content = hash(contentOf(payment));
        if (seen.countWhere('id', id, EVER_MS, streamTimeMs) > 0) {
          const isConflict = seen.countWhere('content', content, EVER_MS, streamTimeMs) === 0;
          onDuplicate(isConflict);
          if (isConflict) deadLetter('duplicate-id', 'another payment of the customer has this transaction_id');
          return;
        }
        // By when it came and not by its event time: a file of old payments is remembered also for customers of today.
        seen.add(streamTimeMs, { id, content });

        const enriched: EnrichedPayment = { ...payment };
        const profile = stores.customers.get(customer_id)?.profile;
        const merchant = merchant_id === undefined ? undefined : globals.merchants.get(merchant_id, event_time);
        const terminal = terminal_id === undefined ? undefined : globals.devices.get(terminal_id, event_time);
        if (profile !== undefined) enriched.profile = profile.fields;
        if (merchant !== undefined) enriched.merchant = knownMerchant(merchant);
        if (terminal !== undefined) enriched.terminal = knownTerminal(terminal);
        emit('payment', enriched);
      },
      crm: learnSource,
      accounts: learnSource,
      kyc: learnSource,
    },

    /** A source says that it knows nothing of the customer any more. */
    onTombstone(input, customerId, context) {
      if (input === 'payment') return context.deadLetter('empty', 'a payment without a value');
      const before = context.stores.customers.get(customerId);
      if (before === undefined) return;
      keep(retract(input, context.record.timestampMs, before), before, context);
    },
  });
}

type Stores = { readonly customers: KeyValueStore<CustomerKnowledge> };
interface SourceContext {
  readonly stores: Stores;
  emit(output: 'profile', profile: Profile): void;
  emitTombstone(output: 'profile', customerId: string): void;
  deadLetter(reason: string, message: string): void;
}

function learnSource(record: CustomerSource, context: SourceContext): void {
  const before = context.stores.customers.get(record.customer_id);
  const after = learn(record, before);
  if (after === undefined) {
    context.deadLetter(
      'too-many-fields',
      `${record.source} has said more than ${SOURCE_FIELDS_MAX} fields of the customer`,
    );
  } else {
    keep(after, before, context);
  }
}

/** Remembers what is known, and tells the profile when it has changed. */
function keep(after: CustomerKnowledge, before: CustomerKnowledge | undefined, context: SourceContext): void {
  context.stores.customers.put(after.customer_id, after);
  if (after.profile === undefined) {
    if (before?.profile !== undefined) context.emitTombstone('profile', after.customer_id);
  } else if (JSON.stringify(after.profile) !== JSON.stringify(before?.profile)) {
    context.emit('profile', after.profile);
  }
}

/** Everything that makes a payment what it is; a sender that repeats it repeats all of this. */
function contentOf(payment: Payment): string {
  const { transaction_id, event_time, card_id, account_id, merchant_id, payee_id, amount_minor, currency, status } =
    payment;
  return [transaction_id, event_time, card_id, account_id, merchant_id, payee_id, amount_minor, currency, status].join(
    '\n',
  );
}
