import type { Alert } from './decision.ts';
import type { Label } from './label.ts';
import type { Payment } from './payment.ts';
import type { CustomerSource } from './reference.ts';
import type { SchemaName } from './schemas.ts';
import { telemetryId } from './telemetry.ts';
import {
  createTopic,
  type Keep,
  type Spread,
  type TopicContract,
  type TopicOptions,
  type TopicRow,
  type ValueOf,
} from './topic-contract.ts';

export type Topics = ReturnType<typeof createTopics>;

/** The one table of topics. What `stream`, `table`, `shared` and `one` mean is in topic-contract.ts. */
export function createTopics(options: TopicOptions = {}) {
  const topic = <K extends SchemaName>(
    name: string,
    schema: K,
    keep: Keep,
    spread: Spread,
    of: TopicRow<K>['of'],
  ): TopicContract<ValueOf<K>> => createTopic({ name, schema, keep, spread, of }, options);

  // biome-ignore format: a table is read by its columns.
  return {
    //                        name                    schema                   keep       spread    key, timestamp, id
    paymentsRaw:        topic('payments.raw',         'payment.v1',            'stream',  'shared', ofPayment),
    telemetryRaw:       topic('telemetry.raw',        'telemetry.v1',          'stream',  'shared', { ...ofReading, key: device }),
    fraudLabels:        topic('fraud.labels',         'label.v1',              'stream',  'shared', ofLabel),
    customersSource: {
      crm:              topic('customers.crm',        'customer-source.v1',    'table',   'shared', ofSource),
      accounts:         topic('customers.accounts',   'customer-source.v1',    'table',   'shared', ofSource),
      kyc:              topic('customers.kyc',        'customer-source.v1',    'table',   'shared', ofSource),
    },
    merchants:          topic('reference.merchants',  'merchant.v1',           'table',   'one',    ofReference((value) => value.merchant_id)),
    devices:            topic('reference.devices',    'device.v1',             'table',   'one',    ofReference((value) => value.device_id)),
    customersProfile:   topic('customers.profile',    'profile.v1',            'table',   'shared', ofReference((value) => value.customer_id)),
    paymentsEnriched:   topic('payments.enriched',    'enriched-payment.v1',   'stream',  'shared', ofPayment),
    telemetryEnriched:  topic('telemetry.enriched',   'enriched-telemetry.v1', 'stream',  'shared', { ...ofReading, key: owner }),
    paymentsByMerchant: topic('payments.by-merchant', 'payment-features.v1',   'stream',  'shared', { ...ofPayment, key: counterparty }),
    fraudDecisions:     topic('fraud.decisions',      'decision.v1',           'stream',  'shared', ofPayment),
    fraudAlerts:        topic('fraud.alerts',         'alert.v1',              'stream',  'shared', ofAlert),
    telemetryAlerts:    topic('telemetry.alerts',     'alert.v1',              'stream',  'shared', ofAlert),
    fraudRules:         topic('fraud.rules',          'rule.v1',               'table',   'one',    ofRule),
    fraudCases:         topic('fraud.cases',          'case.v1',               'table',   'one',    ofReference((value) => value.case_id)),
    deadLetters:        topic('dead-letters',         'dead-letter.v1',        'letters', 'one',    ofDeadLetter),
    deadLettersRedriven: topic('dead-letters.redriven', 'redrive.v1',          'marks',   'one',    ofRedrive),
    batchesProgress:    topic('batches.progress',     'batch-progress.v1',     'marks',   'one',    ofReference((value) => value.batch_id)),
  } as const;
}

/** The topic of a customer source that has no row in the table: `customers.<source>`. */
export function customerSourceTopic(source: string, options: TopicOptions = {}): TopicContract<CustomerSource> {
  const name = `customers.${source}`;
  return createTopic({ name, schema: 'customer-source.v1', keep: 'table', spread: 'shared', of: ofSource }, options);
}

/** All topics of the table. What they hold differs, so this is for naming, creating and counting them. */
export function allTopics(topics: Topics): TopicContract<unknown>[] {
  const { customersSource, ...others } = topics;
  return [...Object.values(others), ...Object.values(customersSource)];
}

/** What `ensureTopics` asks of Kafka for one topic. The replication factor is the cluster's default. */
export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  readonly config: Record<string, string>;
}

/**
 * Creates the topics that are missing. `admin.createTopics` is idempotent, and fails for a topic that exists with
 * another number of partitions: joins would silently miss their partners.
 */
export async function ensureTopics(
  admin: { createTopics(specs: TopicSpec[]): Promise<void> },
  topics: Topics,
): Promise<void> {
  const specs = allTopics(topics).map(({ name, partitions, config }) => ({ name, partitions, config: { ...config } }));
  await admin.createTopics(specs);
}

const customer = (value: { customer_id: string }) => value.customer_id;
const device = (value: { device_id: string }) => value.device_id;
const owner = (value: { owner_id: string }) => value.owner_id;
/** The schema sees to it that one of the two is there. */
const counterparty = (value: Payment) => value.merchant_id ?? value.payee_id ?? '';
const eventTime = (value: { event_time: number }) => value.event_time;
const updatedAt = (value: { updated_at: number }) => value.updated_at;

const ofPayment = {
  key: customer,
  timestampMs: eventTime,
  eventId: (value: { transaction_id: string }) => value.transaction_id,
};
const ofReading = { timestampMs: eventTime, eventId: telemetryId };
const ofLabel = {
  key: customer,
  timestampMs: (value: Label) => value.labelled_at,
  eventId: (value: Label) => `${value.transaction_id}:${value.source}:${value.labelled_at}`,
};
const ofSource = {
  key: customer,
  timestampMs: updatedAt,
  eventId: (value: CustomerSource) => `${value.source}:${value.customer_id}:${value.updated_at}`,
};
/** An alert of a device has no customer; its owner's partition is where its telemetry is. */
const ofAlert = {
  key: (value: Alert) => value.customer_id ?? value.merchant_id ?? value.device_id ?? value.alert_id,
  timestampMs: eventTime,
  eventId: (value: Alert) => value.alert_id,
};
/** Rules that come with the code have no time. */
const ofRule = {
  key: (value: ValueOf<'rule.v1'>) => value.id,
  timestampMs: (value: ValueOf<'rule.v1'>) => value.updated_at ?? 0,
  eventId: (value: ValueOf<'rule.v1'>) => `${value.id}:${value.version}`,
};
const ofDeadLetter = {
  key: (value: ValueOf<'dead-letter.v1'>) => value.id,
  timestampMs: (value: ValueOf<'dead-letter.v1'>) => value.failed_at,
  eventId: (value: ValueOf<'dead-letter.v1'>) => value.id,
};
const ofRedrive = {
  key: (value: ValueOf<'redrive.v1'>) => value.id,
  timestampMs: (value: ValueOf<'redrive.v1'>) => value.redriven_at,
  eventId: (value: ValueOf<'redrive.v1'>) => `${value.id}:${value.redriven_at}`,
};

/** Reference data: the same key with another time is another version of it. */
function ofReference<V extends { updated_at: number }>(key: (value: V) => string) {
  return { key, timestampMs: updatedAt, eventId: (value: V) => `${key(value)}:${value.updated_at}` };
}
