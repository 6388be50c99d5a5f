import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  allTopics,
  createTopics,
  customerSourceTopic,
  ensureTopics,
  samples,
  type TopicContract,
  type TopicSpec,
} from '@millrace/contracts';

const topics = createTopics();

test('the table names every topic of the design with its schema, partitions and policy', () => {
  const table = allTopics(topics).map((topic) => [topic.name, topic.schema, topic.partitions, topic.cleanupPolicy]);
  assert.deepEqual(
    table.sort(([a], [b]) => String(a).localeCompare(String(b))),
    [
      ['batches.progress', 'batch-progress.v1', 1, 'compact,delete'],
      ['customers.accounts', 'customer-source.v1', 4, 'compact'],
      ['customers.crm', 'customer-source.v1', 4, 'compact'],
      ['customers.kyc', 'customer-source.v1', 4, 'compact'],
      ['customers.profile', 'profile.v1', 4, 'compact'],
      ['dead-letters', 'dead-letter.v1', 1, 'delete'],
      ['dead-letters.redriven', 'redrive.v1', 1, 'compact,delete'],
      ['fraud.alerts', 'alert.v1', 4, 'delete'],
      ['fraud.cases', 'case.v1', 1, 'compact'],
      ['fraud.decisions', 'decision.v1', 4, 'delete'],
      ['fraud.labels', 'label.v1', 4, 'delete'],
      ['fraud.rules', 'rule.v1', 1, 'compact'],
      ['payments.by-merchant', 'payment-features.v1', 4, 'delete'],
      ['payments.enriched', 'enriched-payment.v1', 4, 'delete'],
      ['payments.raw', 'payment.v1', 4, 'delete'],
      ['reference.devices', 'device.v1', 1, 'compact'],
      ['reference.merchants', 'merchant.v1', 1, 'compact'],
      ['telemetry.alerts', 'alert.v1', 4, 'delete'],
      ['telemetry.enriched', 'enriched-telemetry.v1', 4, 'delete'],
      ['telemetry.raw', 'telemetry.v1', 4, 'delete'],
    ],
  );
});

test('prefix and partitions apply to all topics that are joined, and small tables stay in one partition', () => {
  const own = createTopics({ prefix: 'test-7.', partitions: 12 });
  assert.equal(own.paymentsRaw.name, 'test-7.payments.raw');
  assert.equal(own.paymentsRaw.partitions, 12);
  assert.equal(own.customersSource.kyc.partitions, 12);
  assert.equal(own.merchants.name, 'test-7.reference.merchants');
  assert.equal(own.merchants.partitions, 1);
});

test('no topic that is stamped with event time loses records by their age, and all take events that are years old', () => {
  const ofTheWallClock = ['dead-letters', 'dead-letters.redriven', 'batches.progress'];
  for (const topic of allTopics(topics)) {
    assert.equal(topic.config['retention.ms'], ofTheWallClock.includes(topic.name) ? '2592000000' : '-1', topic.name);
    assert.equal(topic.config['message.timestamp.type'], 'CreateTime');
    assert.equal(topic.config['message.timestamp.before.max.ms'], '9223372036854775807');
    assert.equal(topic.config['message.timestamp.after.max.ms'], '3600000');
  }
});

test('streams are bounded by bytes, tables are compacted without a bound', () => {
  assert.equal(topics.paymentsRaw.config['retention.bytes'], '1073741824');
  assert.equal(topics.paymentsRaw.config['cleanup.policy'], 'delete');
  assert.equal(topics.merchants.config['retention.bytes'], '-1');
  assert.equal(topics.merchants.config['cleanup.policy'], 'compact');
});

test('marks are compacted in small segments, and forgotten with the dead letters', () => {
  const { config } = topics.batchesProgress;
  assert.equal(config['cleanup.policy'], 'compact,delete');
  assert.equal(config['segment.bytes'], '8388608');
  assert.equal(config['retention.ms'], topics.deadLetters.config['retention.ms']);
});

test('each topic has its key, timestamp and event id', () => {
  const of = <T>(topic: TopicContract<T>, value: T) => [
    topic.key(value),
    topic.timestampMs(value),
    topic.eventId(value),
  ];
  assert.deepEqual(of(topics.paymentsRaw, samples.payment), ['cust-00596', 1_772_366_400_000, 'tx-20260301-0001']);
  assert.deepEqual(of(topics.telemetryRaw, samples.telemetry), [
    'term-03156',
    1_772_366_340_000,
    'term-03156:1772366340000:4711',
  ]);
  assert.deepEqual(of(topics.telemetryEnriched, samples.enrichedTelemetry), [
    'shop-0031',
    1_772_366_340_000,
    'term-03156:1772366340000:4711',
  ]);
  assert.deepEqual(of(topics.paymentsByMerchant, samples.paymentFeatures), [
    'shop-0031',
    1_772_366_400_000,
    'tx-20260301-0001',
  ]);
  assert.deepEqual(of(topics.fraudLabels, samples.label), [
    'cust-00596',
    1_772_958_600_000,
    'tx-20260301-0001:chargeback:1772958600000',
  ]);
  assert.deepEqual(of(topics.customersSource.crm, samples.customerSource), [
    'cust-00596',
    1_768_464_000_000,
    'crm:cust-00596:1768464000000',
  ]);
  assert.deepEqual(of(topics.fraudAlerts, samples.alert), [
    'cust-00596',
    1_772_366_400_000,
    'payment:tx-20260301-0001',
  ]);
  assert.deepEqual(of(topics.fraudRules, samples.rule), [
    'terminal-tampered',
    1_769_904_000_000,
    'terminal-tampered:3',
  ]);
  assert.deepEqual(of(topics.deadLetters, samples.deadLetter), [
    'payments.raw:2:1235',
    1_772_366_401_000,
    'payments.raw:2:1235',
  ]);
  assert.deepEqual(of(topics.deadLettersRedriven, samples.redrive), [
    '2f1c0a52-6f0e-4f0b-9a64-0c6f5f1f8f11',
    1_772_370_000_000,
    '2f1c0a52-6f0e-4f0b-9a64-0c6f5f1f8f11:1772370000000',
  ]);
  assert.deepEqual(of(topics.batchesProgress, samples.batchProgress), [
    'payments-2018',
    1_772_366_460_000,
    'payments-2018:1772366460000',
  ]);
});

test("a transfer is keyed by its payee, an alert of a device by its owner, and a device's own if it has none", () => {
  const { merchant_id: _, ...payment } = samples.paymentFeatures;
  assert.equal(topics.paymentsByMerchant.key({ ...payment, channel: 'transfer', payee_id: 'payee-9' }), 'payee-9');
  const { customer_id: __, ...alert } = { ...samples.alert, device_id: 'term-03156' };
  assert.equal(topics.telemetryAlerts.key(alert), 'shop-0031');
  const { merchant_id: ___, ...unowned } = alert;
  assert.equal(topics.telemetryAlerts.key(unowned), 'term-03156');
});

test('another customer source gets a topic like the others', () => {
  const topic = customerSourceTopic('loyalty', { prefix: 'p.', partitions: 2 });
  assert.equal(topic.name, 'p.customers.loyalty');
  assert.equal(topic.partitions, 2);
  assert.deepEqual(topic.config, topics.customersSource.crm.config);
});

test('ensureTopics asks for all topics in one call', async () => {
  const calls: TopicSpec[][] = [];
  await ensureTopics({ createTopics: async (specs) => void calls.push(specs) }, topics);
  assert.equal(calls.length, 1);
  assert.equal(calls[0]?.length, 20);
  const spec = calls[0]?.find(({ name }) => name === 'payments.raw');
  assert.deepEqual(spec, { name: 'payments.raw', partitions: 4, config: topics.paymentsRaw.config });
});
