import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { allTopics, createTopics } from '@millrace/contracts';
import { createKafka, type InRecord } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger } from '@millrace/observability';
import { openRun } from '../src/run.ts';

const INGEST = fileURLToPath(new URL('../../../services/ingest/src/main.ts', import.meta.url));
const START_MS_MAX = 60_000;
const SEED = 20;

/** Ingest with topics of its own, on ports that it keeps when it is started again. */
async function createIngest(t: TestContext) {
  const prefix = `simulator-${randomUUID().slice(0, 8)}.`;
  const topics = createTopics({ prefix });
  const { kafkaBrokers } = testStack();
  const logger = createLogger({ service: 'test', level: 'silent' });
  const kafka = createKafka({ brokers: kafkaBrokers, clientId: prefix, logger });
  const admin = await kafka.admin();
  t.after(async () => {
    await admin.deleteTopics(allTopics(topics).map(({ name }) => name));
    await admin.close();
  });

  async function start(ports = { http: 0, mqtt: 0 }) {
    const env = {
      ...process.env,
      KAFKA_BROKERS: kafkaBrokers.join(','),
      TOPIC_PREFIX: prefix,
      ...{ HTTP_PORT: String(ports.http), MQTT_PORT: String(ports.mqtt), METRICS_PORT: '0', MQTT_WS_PORT: '0' },
    };
    const child = spawn(process.execPath, [INGEST], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    return { child, ports: await portsOf(child) };
  }

  /** Ids of a topic, as many times as they are there. */
  async function idsIn(topic: string): Promise<string[]> {
    const reader = await kafka.reader({ isolation: 'read_committed' });
    const missing = new Map((await admin.offsets(topic)).map(({ partition, end }) => [partition, end]));
    reader.assign([...missing.keys()].map((partition) => ({ topic, partition, offset: 'start' })));
    const records: InRecord[] = [];
    while (missing.size > 0) {
      for (const batch of await reader.poll({ maxWaitMs: 200 })) {
        records.push(...batch.records);
        if (batch.nextOffset >= (missing.get(batch.partition) ?? 0)) missing.delete(batch.partition);
      }
    }
    await reader.close();
    return records.map(({ headers }) => String(headers.event_id));
  }

  return { topics, start, idsIn };
}

async function portsOf(child: ChildProcess): Promise<{ http: number; mqtt: number }> {
  const timeout = setTimeout(() => child.kill('SIGKILL'), START_MS_MAX);
  let log = '';
  // Not destroyed at the end of the loop: a service that cannot write its log any more would fail.
  for await (const chunk of child.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    log += chunk;
    const line = log.split('\n').find((candidate) => candidate.includes('taking events'));
    if (line === undefined) continue;
    clearTimeout(timeout);
    child.stdout?.resume();
    const started: { http: string; mqtt: { port: number } } = JSON.parse(line);
    return { http: Number(new URL(started.http).port), mqtt: started.mqtt.port };
  }
  throw new Error(`ingest did not start: ${log}`);
}

/** Keeps what is reported to it. */
async function startLedgerApi(t: TestContext) {
  const reported = { payment: new Set<string>(), telemetry: new Set<string>() };
  const server = createServer(async (request, response) => {
    for (const line of (await text(request)).trim().split('\n')) {
      const { kind, id } = JSON.parse(line) as { kind: 'payment' | 'telemetry'; id: string };
      reported[kind].add(id);
    }
    response.writeHead(202).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, reported };
}

test('with ingest killed under load, everything sent is acknowledged in the end, and what was acknowledged is in Kafka', async (t) => {
  const ingest = await createIngest(t);
  const api = await startLedgerApi(t);
  const ledgerRoot = await mkdtemp(join(tmpdir(), 'millrace-run-'));
  t.after(() => rm(ledgerRoot, { recursive: true }));
  const first = await ingest.start();
  const run = await openRun({
    addresses: {
      ingest: `http://127.0.0.1:${first.ports.http}`,
      mqtt: `mqtt://127.0.0.1:${first.ports.mqtt}`,
      api: api.url,
    },
    ...{ seed: SEED, paymentsPerSecond: 200, devices: 20, ledgerRoot, nowMs: Date.now },
    logger: createLogger({ service: 'test', level: 'silent' }),
    onFailure: (error) => assert.fail(String(error)),
  });
  t.after(() => run.close());

  const stop = new AbortController();
  await run.connect(stop.signal);
  const sending = run.send(stop.signal);
  await sleep(1_500);
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  await sleep(500);
  await ingest.start(first.ports);
  await sleep(2_000);
  stop.abort();
  await sending;
  assert.equal(await run.finish({ drainMsMax: 30_000, reportMsMax: 10_000 }), 0);

  const { ledger } = run.session;
  const rawPayments = new Set(await ingest.idsIn(ingest.topics.paymentsRaw.name));
  const rawReadings = new Set(await ingest.idsIn(ingest.topics.telemetryRaw.name));
  const [payments, readings] = [ledger.counts('payment'), ledger.counts('telemetry')];
  t.diagnostic(`seed ${SEED}: ${payments.acknowledged} payments and ${readings.acknowledged} readings acknowledged`);
  assert.ok(payments.sent > 200 && readings.sent > 40);
  assert.deepEqual([payments.acknowledged, payments.refused], [payments.sent, 0]);
  assert.equal(readings.acknowledged, readings.sent);
  assert.equal(api.reported.payment.size, payments.acknowledged);
  assert.equal(api.reported.telemetry.size, readings.acknowledged);
  assert.deepEqual(
    [...api.reported.payment].filter((id) => !rawPayments.has(id)),
    [],
  );
  assert.deepEqual(
    [...api.reported.telemetry].filter((id) => !rawReadings.has(id)),
    [],
  );
  assert.equal(rawPayments.size, payments.sent);
  const { malformed, malformedAccepted, duplicates } = run.traffic.counts();
  t.diagnostic(`${duplicates} sent twice, ${malformed} malformed`);
  assert.equal(malformedAccepted, 0);
});
