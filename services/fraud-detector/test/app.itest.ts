import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTopics, ensureTopics, type TopicContract } from '@millrace/contracts';
import { createKafka, type InRecord, type Kafka } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger, createMetrics, Health } from '@millrace/observability';
import { startApp } from '../src/app.ts';
import { payment, START_MS } from './detector.ts';

const PARTITIONS = 3;
const PAYMENTS = 600;
const CARDS = 20;
const MERCHANTS = 7;

test('two instances, one of which goes: every payment is decided once, with counts as if nothing had happened', async (t) => {
  const prefix = `detector-${process.pid}-${Date.now().toString(36)}.`;
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
  const start = async (clientId: string) => {
    const health = new Health();
    const app = await startApp({
      kafka: createKafka({ brokers: testStack().kafkaBrokers, clientId, logger }),
      topics,
      applicationId: `${prefix}fraud-detector`,
      metrics: createMetrics('fraud-detector'),
      health,
      logger,
      onFatal: (error) => assert.fail(String(error)),
    });
    return { app, health };
  };
  const instances = await Promise.all([start('one'), start('two')]);
  await until(() => instances.every(({ health }) => health.isReady()));

  // One card after the other pays, a second apart; each card has its customer.
  const payments = Array.from({ length: PAYMENTS }, (_, n) =>
    payment({
      transaction_id: `tx-${n}`,
      event_time: START_MS + n * 1_000,
      customer_id: `c-${n % CARDS}`,
      card_id: `card-${n % CARDS}`,
      merchant_id: `m-${n % MERCHANTS}`,
      status: n % CARDS === 0 ? 'declined' : 'authorised',
    }),
  );
  for (let at = 0; at < PAYMENTS; at += 60) {
    await send(topics.paymentsEnriched, payments.slice(at, at + 60));
    if (at === 240) await instances[0]?.app.close();
    await sleep(20);
  }
  const decisions = await readAll(kafka, topics.fraudDecisions, PAYMENTS);
  const declined = decisions.filter(({ decision }) => decision !== 'approve');
  const alerts = await readAll(kafka, topics.fraudAlerts, declined.length);
  await instances[1]?.app.close();

  const ids = (list: readonly { readonly transaction_id?: string }[]) =>
    list.map(({ transaction_id }) => transaction_id).sort();
  assert.deepEqual(ids(decisions), ids(payments));
  assert.deepEqual(ids(alerts), ids(declined));
  for (const { transaction_id, features } of decisions) {
    const n = Number(transaction_id.slice(3));
    // A card pays every 20 s: the window of 10 min has its last 30 payments.
    assert.equal(features.card_count_10m, Math.min(30, Math.floor(n / CARDS) + 1), transaction_id);
    // Payments of a merchant come from the partitions of several customers, in no order among these.
    const merchantCount = features.merchant_count_1h ?? 0;
    assert.ok(merchantCount >= 1 && merchantCount <= Math.floor(n / MERCHANTS) + 1, transaction_id);
  }
  // The third declined payment of card 0 within 10 min is the 41st of all.
  assert.deepEqual(declined.map(({ transaction_id }) => Number(transaction_id.slice(3))).sort((a, b) => a - b)[0], 40);
});

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > deadlineMs) throw new Error('not within a minute');
    await sleep(50);
  }
}

/** Reads `count` records and what comes within a second after them: a duplicate would. */
async function readAll<T>(kafka: Kafka, topic: TopicContract<T>, count: number): Promise<T[]> {
  const reader = await kafka.reader({ isolation: 'read_committed' });
  reader.assign(
    Array.from({ length: topic.partitions }, (_, partition) => ({
      topic: topic.name,
      partition,
      offset: 'start' as const,
    })),
  );
  const records: InRecord[] = [];
  const deadlineMs = Date.now() + 90_000;
  let enoughAtMs = Number.POSITIVE_INFINITY;
  while (Date.now() < enoughAtMs + 1_000) {
    if (Date.now() > deadlineMs) throw new Error(`only ${records.length} records of ${topic.name} within 90 s`);
    for (const batch of await reader.poll({ maxWaitMs: 200 })) records.push(...batch.records);
    if (records.length >= count) enoughAtMs = Math.min(enoughAtMs, Date.now());
  }
  await reader.close();
  return records.map(({ value }) => topic.decode(value ?? Buffer.alloc(0)));
}
