import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTopics, ensureTopics, type TopicContract } from '@millrace/contracts';
import { createKafka, type InRecord } from '@millrace/kafka';
import { bundleFunction, createLocalFunction, openEventSource, runtimeClient } from '@millrace/lambda';
import { testStack } from '@millrace/local-stack';
import { createLogger } from '@millrace/observability';
import { payment, START_MS } from './detector.ts';

const PARTITIONS = 2;
const PAYMENTS = 400;
const CARDS = 20;
const MERCHANTS = 7;
const BATCH_RECORDS = 60;
const TIMEOUT_MS = 30_000;
/** Every so many batches the environment is killed while it works. */
const KILL_EVERY = 5;
const RETRIES_MAX = 10;

test('both stages as one function, killed with -9: every payment is decided once, with counts as if nothing had happened', async (t) => {
  t.diagnostic(`runtime client: ${runtimeClient().kind}`);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-lambda-'));
  const prefix = `detector-lambda-${process.pid}-${Date.now().toString(36)}.`;
  const brokers = testStack().kafkaBrokers;
  const kafka = createKafka({ brokers, clientId: 'test', logger: createLogger({ service: 'test', level: 'error' }) });
  const topics = createTopics({ prefix, partitions: PARTITIONS });
  const admin = await kafka.admin();
  await ensureTopics(admin, topics);
  const producer = await kafka.producer();
  const detector = createLocalFunction({
    taskRoot: await bundleFunction('fraud-detector', folder),
    handler: 'lambda.handler',
    env: {
      KAFKA_BROKERS: brokers.join(','),
      TOPIC_PREFIX: prefix,
      TOPIC_PARTITIONS: String(PARTITIONS),
      LOG_LEVEL: 'error',
    },
    timeoutMs: TIMEOUT_MS,
    onOutput: (text) => process.stderr.write(text),
  });
  const reader = await kafka.reader({ isolation: 'read_committed' });
  t.after(async () => {
    await detector.close();
    await Promise.all([producer.close(), admin.close(), reader.close(), rm(folder, { recursive: true })]);
  });

  const payments = Array.from({ length: PAYMENTS }, (_, n) =>
    payment({
      transaction_id: `tx-${n}`,
      event_time: START_MS + n * 1_000,
      customer_id: `c-${n % CARDS}`,
      card_id: `card-${n % CARDS}`,
      merchant_id: `m-${n % MERCHANTS}`,
    }),
  );
  const { paymentsEnriched: input } = topics;
  const records = payments.map((value) => ({
    key: input.key(value),
    value: input.encode(value),
    timestampMs: input.timestampMs(value),
  }));
  await producer.send([{ topic: input.name, records }]);

  let batches = 0;
  const givenUp: InRecord[] = [];
  const source = await openEventSource({
    ...{ kafka, admin, shape: 'self-managed', recordsMax: BATCH_RECORDS, retriesMax: RETRIES_MAX },
    topics: [input.name, topics.paymentsByMerchant.name],
    isolation: 'read_uncommitted',
    onFailure: (list) => givenUp.push(...list),
    invoke: async (event) => {
      batches += 1;
      const answer = detector.invoke(event);
      if (batches % KILL_EVERY === 0) {
        await Promise.allSettled([answer, sleep((batches * 7) % 60).then(() => detector.kill())]);
        throw new Error('killed, or its answer was lost');
      }
      const heard = await answer;
      assert.ok(heard.ok, JSON.stringify(heard));
      return heard.payload;
    },
  });
  await source.drain();
  await source.close();
  assert.deepEqual(givenUp, []);
  assert.ok(batches > 2 * KILL_EVERY, `${batches} batches`);

  const readAll = async <T>(topic: TopicContract<T>): Promise<T[]> => {
    const values: T[] = [];
    const behind = new Set(Array.from({ length: topic.partitions }, (_, partition) => partition));
    for (const partition of behind) reader.assign([{ topic: topic.name, partition, offset: 'start' }]);
    while (behind.size > 0) {
      for (const batch of await reader.poll({ maxWaitMs: 50 })) {
        values.push(...batch.records.map(({ value }) => topic.decode(value ?? Buffer.alloc(0))));
        if (batch.nextOffset >= batch.endOffset) behind.delete(batch.partition);
      }
    }
    return values;
  };
  const decisions = await readAll(topics.fraudDecisions);
  const ids = (list: readonly { readonly transaction_id: string }[]) =>
    list.map(({ transaction_id }) => transaction_id).sort();
  assert.deepEqual(ids(decisions), ids(payments));
  for (const { transaction_id, features } of decisions) {
    const n = Number(transaction_id.slice(3));
    // A card pays every 20 s: the window of 10 min has its last 30 payments.
    assert.equal(features.card_count_10m, Math.min(30, Math.floor(n / CARDS) + 1), transaction_id);
  }
});
