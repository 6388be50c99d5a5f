import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTopics, ensureTopics, type TopicContract } from '@millrace/contracts';
import { createKafka, type InRecord, type Kafka } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger, createMetrics, Health } from '@millrace/observability';
import { startApp } from '../src/app.ts';
import { payment, START_MS } from './enricher.ts';

const PARTITIONS = 2;
const PAYMENTS = 600;
const CUSTOMERS = 40;

test('senders repeat and the enricher is replaced: every payment comes out once, with its profile', async (t) => {
  const prefix = `enricher-${process.pid}-${Date.now().toString(36)}.`;
  const logger = createLogger({ service: 'test', level: 'error' });
  const kafka = createKafka({ brokers: testStack().kafkaBrokers, clientId: 'test', logger });
  const topics = createTopics({ prefix, partitions: PARTITIONS });
  const admin = await kafka.admin();
  await ensureTopics(admin, topics);
  await admin.close();
  const producer = await kafka.producer();
  t.after(() => producer.close());
  const send = <T>(topic: TopicContract<T>, values: readonly T[]) =>
    producer.send([
      {
        topic: topic.name,
        records: values.map((value) => ({
          key: topic.key(value),
          value: topic.encode(value),
          timestampMs: topic.timestampMs(value),
        })),
      },
    ]);

  const customers = Array.from({ length: CUSTOMERS }, (_, n) => `c-${n}`);
  await send(
    topics.customersSource.crm,
    customers.map((customer_id) => ({
      customer_id,
      source: 'crm',
      updated_at: START_MS - 1, // before the first payment: of what happens at the same time either may come first
      fields: { name: customer_id },
    })),
  );
  await send(topics.merchants, [{ merchant_id: 'm-1', updated_at: START_MS, name: 'Loja' }]);

  const start = async () => {
    const health = new Health();
    const app = await startApp({
      kafka,
      topics,
      applicationId: `${prefix}enricher`,
      metrics: createMetrics('enricher'),
      health,
      logger,
      onFatal: (error) => assert.fail(String(error)),
    });
    return { app, health };
  };
  const first = await start();
  await until(() => first.health.isReady());

  const ids = Array.from({ length: PAYMENTS }, (_, n) => n);
  const payments = ids.map((n) =>
    payment({ transaction_id: `tx-${n}`, event_time: START_MS + n * 50, customer_id: `c-${n % CUSTOMERS}` }),
  );
  for (let at = 0; at < PAYMENTS; at += 100) {
    const batch = payments.slice(at, at + 100);
    // A sender that got no answer sends the same batch again.
    await send(topics.paymentsRaw, batch);
    await send(topics.paymentsRaw, batch);
    if (at === 200) await first.app.close();
  }
  assert.equal(first.health.isReady(), false);
  const second = await start();
  await until(() => second.health.isReady());
  await send(topics.paymentsRaw, payments.slice(0, 50));
  const last = payment({ transaction_id: 'last', event_time: START_MS + 10 ** 6 });
  await send(
    topics.paymentsRaw,
    customers.map((customer_id) => ({ ...last, customer_id, transaction_id: `last-${customer_id}` })),
  );

  const records = await readUntil(kafka, topics.paymentsEnriched.name, (all) => {
    const keys = all.map(({ value }) => topics.paymentsEnriched.decode(value ?? Buffer.alloc(0)).transaction_id);
    return keys.filter((id) => id.startsWith('last-')).length === CUSTOMERS;
  });
  const found = await second.app.readState(new URL('http://localhost/state/payments/customers/c-7'));
  assert.equal(found.status, 200, 'what it knows of a customer can be looked into');
  assert.match(JSON.stringify(found.body), /"name":"c-7"|"value":"c-7"/);
  await second.app.close();

  const enriched = records.map(({ value }) => topics.paymentsEnriched.decode(value ?? Buffer.alloc(0)));
  const wanted = [...payments.map(({ transaction_id }) => transaction_id), ...customers.map((id) => `last-${id}`)];
  assert.deepEqual(enriched.map(({ transaction_id }) => transaction_id).sort(), wanted.sort());
  for (const { customer_id, profile, merchant } of enriched) {
    assert.deepEqual([profile?.name?.value, merchant?.name], [customer_id, 'Loja']);
  }
});

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > deadlineMs) throw new Error('not within a minute');
    await sleep(50);
  }
}

async function readUntil(kafka: Kafka, topic: string, isEnough: (records: InRecord[]) => boolean): Promise<InRecord[]> {
  const reader = await kafka.reader({ isolation: 'read_committed' });
  reader.assign(Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, offset: 'start' as const })));
  const records: InRecord[] = [];
  const deadlineMs = Date.now() + 90_000;
  while (!isEnough(records)) {
    if (Date.now() > deadlineMs) throw new Error(`only ${records.length} records of ${topic} within 90 s`);
    for (const batch of await reader.poll({ maxWaitMs: 200 })) records.push(...batch.records);
  }
  await reader.close();
  return records;
}
