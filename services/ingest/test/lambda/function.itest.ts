import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTopics, ensureTopics } from '@millrace/contracts';
import { createKafka } from '@millrace/kafka';
import { bundleFunction, createLocalFunction, runtimeClient } from '@millrace/lambda';
import { testStack } from '@millrace/local-stack';
import { createLogger } from '@millrace/observability';
import { sha256 } from '../access/credentials-file.ts';
import { PAYMENT } from '../fixtures.ts';
import { eventOf } from './http-events.ts';

const KEY = 'mk_3b8f0a2c9d7e41f6a5c8b2e0';
const ROUNDS = 12;
const TIMEOUT_MS = 29_000;
/** A port on which nobody listens. */
const NO_BROKER = '127.0.0.1:9';

/** The bundle that is deployed, under AWS's runtime client, behind API Gateway. */
async function createFunction(t: TestContext, brokers: readonly string[], prefix: string) {
  t.diagnostic(`runtime client: ${runtimeClient().kind}`);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-lambda-'));
  const keys = join(folder, 'api-keys.json');
  await writeFile(keys, JSON.stringify({ keys: [{ name: 'shop', sha256: sha256(KEY), scopes: ['payments:write'] }] }));
  const ingest = createLocalFunction({
    taskRoot: await bundleFunction('ingest', folder),
    handler: 'lambda.handler',
    env: {
      KAFKA_BROKERS: brokers.join(','),
      TOPIC_PREFIX: prefix,
      LOG_LEVEL: 'error',
      API_KEYS_FILE: keys,
      CARD_TOKEN_SECRET: 'a secret of the tests that is long enough',
    },
    timeoutMs: TIMEOUT_MS,
    onOutput: (text) => process.stderr.write(text),
  });
  t.after(async () => {
    await ingest.close();
    await rm(folder, { recursive: true });
  });
  /** The status and the body; rejects when the environment has died. */
  const pay = async (...ids: string[]) => {
    const payments = ids.map((transaction_id) => ({ ...PAYMENT, transaction_id, event_time: Date.now() - 1_000 }));
    const headers = { 'content-type': 'application/json', 'x-api-key': KEY };
    const answer = await ingest.invoke(
      eventOf('apiGatewayV2', { path: '/v1/payments', headers, body: JSON.stringify(payments) }),
    );
    assert.ok(answer.ok, JSON.stringify(answer));
    const { statusCode, body } = answer.payload as { statusCode: number; body: string };
    return { statusCode, body: JSON.parse(body) };
  };
  return { ingest, pay };
}

test('what the function has accepted is in Kafka, however its environments freeze and die', async (t) => {
  const prefix = `ingest-lambda-${process.pid}-${Date.now().toString(36)}.`;
  const brokers = testStack().kafkaBrokers;
  const kafka = createKafka({ brokers, clientId: 'test', logger: createLogger({ service: 'test', level: 'error' }) });
  const topics = createTopics({ prefix });
  const admin = await kafka.admin();
  t.after(() => admin.close());
  await ensureTopics(admin, topics);
  const { ingest, pay } = await createFunction(t, brokers, prefix);

  const accepted: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const ids = [0, 1, 2].map((n) => `tx-${round}-${n}`);
    const answer = pay(...ids);
    if (round % 3 === 2) await sleep(round * 4).then(() => ingest.kill());
    const [heard] = await Promise.allSettled([answer]);
    if (heard.status === 'fulfilled') {
      assert.equal(heard.value.statusCode, 202, JSON.stringify(heard.value.body));
      accepted.push(...ids);
    }
    if (round % 3 === 0) {
      ingest.freeze();
      await sleep(200);
    }
  }
  assert.equal((await pay('last')).statusCode, 202);
  await ingest.shutDown();
  accepted.push('last');

  const reader = await kafka.reader({ isolation: 'read_committed' });
  t.after(() => reader.close());
  const kept = new Set<string>();
  const behind = new Set<number>();
  for (const { partition } of await admin.offsets(topics.paymentsRaw.name)) {
    behind.add(partition);
    reader.assign([{ topic: topics.paymentsRaw.name, partition, offset: 'start' }]);
  }
  while (behind.size > 0) {
    for (const { partition, records, nextOffset, endOffset } of await reader.poll({ maxWaitMs: 50 })) {
      for (const { value } of records) kept.add(topics.paymentsRaw.decode(value ?? Buffer.alloc(0)).transaction_id);
      if (nextOffset >= endOffset) behind.delete(partition);
    }
  }
  assert.ok(accepted.length >= 3 * (ROUNDS - ROUNDS / 3), `${accepted.length} were accepted`);
  assert.deepEqual(
    accepted.filter((id) => !kept.has(id)),
    [],
    'accepted means kept',
  );
});

test('without a broker the function starts, answers 503 in time, and keeps nothing back', async (t) => {
  const { pay } = await createFunction(t, [NO_BROKER], 'nowhere.');
  const { statusCode, body } = await pay('tx-1');
  assert.equal(statusCode, 503, JSON.stringify(body));
});
