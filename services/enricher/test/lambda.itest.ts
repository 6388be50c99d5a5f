import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTopics, ensureTopics, type TopicContract } from '@millrace/contracts';
import { createKafka, type InRecord } from '@millrace/kafka';
import { bundleFunction, createLocalFunction, openEventSource, runtimeClient } from '@millrace/lambda';
import { testStack } from '@millrace/local-stack';
import { createLogger } from '@millrace/observability';
import { payment, START_MS } from './enricher.ts';

const PARTITIONS = 2;
const PAYMENTS = 1_200;
const CUSTOMERS = 40;
const KILLS = 6;
const BATCH_RECORDS = 60;
const TIMEOUT_MS = 30_000;
/** More than kills: a test that fails comes to an end. */
const RETRIES_MAX = 10;

/** The bundle that is deployed, under AWS's runtime client, on topics of its own. */
async function createWorld(t: TestContext) {
  t.diagnostic(`runtime client: ${runtimeClient().kind}`);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-lambda-'));
  const prefix = `enricher-lambda-${process.pid}-${Date.now().toString(36)}.`;
  const brokers = testStack().kafkaBrokers;
  const logger = createLogger({ service: 'test', level: 'error' });
  const kafka = createKafka({ brokers, clientId: 'test', logger });
  const topics = createTopics({ prefix, partitions: PARTITIONS });
  const admin = await kafka.admin();
  await ensureTopics(admin, topics);
  const producer = await kafka.producer();
  const enricher = createLocalFunction({
    taskRoot: await bundleFunction('enricher', folder),
    handler: 'lambda.handler',
    env: {
      KAFKA_BROKERS: brokers.join(','),
      TOPIC_PREFIX: prefix,
      TOPIC_PARTITIONS: String(PARTITIONS),
      LOG_LEVEL: 'warn',
    },
    timeoutMs: TIMEOUT_MS,
    onOutput: (text) => process.stderr.write(text),
  });
  t.after(async () => {
    await enricher.close();
    await Promise.all([producer.close(), admin.close(), rm(folder, { recursive: true })]);
  });
  const send = <T>(topic: TopicContract<T>, values: readonly T[]) => {
    const records = values.map((value) => ({
      key: topic.key(value),
      value: topic.encode(value),
      timestampMs: topic.timestampMs(value),
    }));
    return producer.send([{ topic: topic.name, records }]);
  };
  const readAll = async (topic: string): Promise<InRecord[]> => {
    const reader = await kafka.reader({ isolation: 'read_committed' });
    const records: InRecord[] = [];
    const behind = new Set<number>();
    for (const { partition } of await admin.offsets(topic)) {
      behind.add(partition);
      reader.assign([{ topic, partition, offset: 'start' }]);
    }
    while (behind.size > 0) {
      for (const batch of await reader.poll({ maxWaitMs: 50 })) {
        records.push(...batch.records);
        if (batch.nextOffset >= batch.endOffset) behind.delete(batch.partition);
      }
    }
    await reader.close();
    return records;
  };
  return { kafka, admin, topics, enricher, send, readAll };
}

test('the enricher as a function is killed with -9 in the middle of batches: every payment comes out once, with its profile', async (t) => {
  const seed = Date.now() % 1_000_000;
  t.diagnostic(`seed ${seed}`);
  const random = createRandom(seed);
  const { kafka, admin, topics, enricher, send, readAll } = await createWorld(t);
  const customers = Array.from({ length: CUSTOMERS }, (_, n) => `c-${n}`);
  // Not mapped to the function: it reads this input by itself.
  const updated_at = START_MS - 1;
  const told = customers.map((id) => ({
    customer_id: id,
    source: 'crm',
    updated_at,
    fields: { name: `Name of ${id}` },
  }));
  await send(topics.customersSource.crm, told);
  await send(topics.merchants, [{ merchant_id: 'm-1', updated_at: START_MS, name: 'Loja' }]);
  const payments = Array.from({ length: PAYMENTS }, (_, n) =>
    payment({ transaction_id: `tx-${n}`, event_time: START_MS + n * 50, customer_id: `c-${n % CUSTOMERS}` }),
  );
  for (let at = 0; at < PAYMENTS; at += 100) {
    await send(topics.paymentsRaw, payments.slice(at, at + 100));
    if (at % 300 === 0) await send(topics.paymentsRaw, payments.slice(at, at + 100)); // a sender repeats itself
  }

  let kills = 0;
  let unheard = 0;
  const givenUp: InRecord[] = [];
  const source = await openEventSource({
    ...{
      kafka,
      admin,
      topics: [topics.paymentsRaw.name],
      shape: 'msk',
      recordsMax: BATCH_RECORDS,
      retriesMax: RETRIES_MAX,
    },
    onFailure: (records) => givenUp.push(...records),
    isolation: 'read_uncommitted',
    invoke: async (event) => {
      const isToDie = kills < KILLS && random() < 0.5;
      const answer = enricher.invoke(event);
      if (!isToDie) {
        const heard = await answer;
        assert.ok(heard.ok, JSON.stringify(heard));
        if (random() < 0.2) enricher.freeze();
        return heard.payload;
      }
      // Anywhere between the start of the environment and the answer, which may come before.
      kills += 1;
      const [heard] = await Promise.allSettled([
        answer,
        sleep(random() * (random() < 0.5 ? 60 : 900)).then(() => enricher.kill()),
      ]);
      if (heard.status === 'rejected') {
        unheard += 1;
        throw heard.reason;
      }
      if (random() < 0.5) throw new Error('its answer was lost on the way');
      return heard.value.ok ? heard.value.payload : assert.fail(JSON.stringify(heard.value));
    },
  });
  await source.drain();
  await source.close();
  assert.deepEqual(givenUp, []);
  t.diagnostic(`${kills} kills, ${unheard} of them before an answer`);
  assert.equal(kills, KILLS);

  const enriched = (await readAll(topics.paymentsEnriched.name)).map(({ value }) =>
    topics.paymentsEnriched.decode(value ?? Buffer.alloc(0)),
  );
  const idsOf = (list: readonly { transaction_id: string }[]) => list.map(({ transaction_id }) => transaction_id);
  for (const customer of customers) {
    const wanted = idsOf(payments.filter(({ customer_id }) => customer_id === customer));
    const found = idsOf(enriched.filter(({ customer_id }) => customer_id === customer));
    assert.deepEqual(found, wanted, `${customer}: each once and in order`);
  }
  for (const customer of customers) {
    const own = enriched.filter(({ customer_id }) => customer_id === customer);
    const names = new Set(own.map(({ profile }) => profile?.name?.value));
    assert.deepEqual([...names], [`Name of ${customer}`], 'of the input that Lambda did not deliver');
  }
  assert.deepEqual(await readAll(topics.deadLetters.name), []);
});

test('a record that is no payment becomes a dead letter, and an event of another source is an error of the function', async (t) => {
  const { kafka, admin, topics, enricher, readAll, send } = await createWorld(t);
  await send({ ...topics.paymentsRaw, encode: () => '{"not": "a payment"}' }, [payment({ transaction_id: 'tx-1' })]);
  await send(topics.paymentsRaw, [payment({ transaction_id: 'tx-2' })]);
  const givenUp: InRecord[] = [];
  const source = await openEventSource({
    ...{
      kafka,
      admin,
      topics: [topics.paymentsRaw.name],
      shape: 'self-managed',
      recordsMax: 10,
      retriesMax: RETRIES_MAX,
    },
    onFailure: (records) => givenUp.push(...records),
    invoke: async (event) => {
      const answer = await enricher.invoke(event);
      assert.deepEqual(answer, { ok: true, payload: { batchItemFailures: [] } });
      return answer.payload;
    },
  });
  await source.drain();
  await source.close();
  assert.deepEqual(givenUp, []);
  assert.equal((await readAll(topics.deadLetters.name)).length, 1);
  assert.equal((await readAll(topics.paymentsEnriched.name)).length, 1);
  const wrong = await enricher.invoke({ Records: [{ eventSource: 'aws:sqs' }] });
  assert.ok(
    !wrong.ok && /no event of a Kafka event source/.test(wrong.error.errorMessage ?? ''),
    JSON.stringify(wrong),
  );
});

/** mulberry32: the same numbers for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
