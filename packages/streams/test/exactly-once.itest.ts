import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createKafka, type InRecord, type Kafka } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger } from '@millrace/observability';
import { createCountTopology, type Entry, MINUTE_MS, type Running } from './support/count-topology.ts';
import { createRandom } from './support/random.ts';

const APP = fileURLToPath(new URL('support/count-app.ts', import.meta.url));
const PARTITIONS = 3;
const ENTRIES = 6_000;
const KILLS = 6;

test('every entry is counted exactly once while the application is killed with -9 again and again', async (t) => {
  const seed = Date.now() % 1_000_000;
  t.diagnostic(`seed ${seed}`);
  const random = createRandom(seed);
  const { kafkaBrokers } = testStack();
  const prefix = `eos-${process.pid}-${seed}.`;
  const { topology, entries, published } = createCountTopology(prefix);
  const logger = createLogger({ service: 'test', level: 'error' });
  const kafka = createKafka({ brokers: kafkaBrokers, clientId: 'test', logger });
  const admin = await kafka.admin();
  await admin.createTopics(
    [
      ...topology.processors
        .flatMap(({ inputs, outputs }) => [...Object.values(inputs), ...Object.values(outputs)] as { name: string }[])
        .map(({ name }) => name),
      `${prefix}dead-letters`,
    ]
      .filter((name, index, all) => all.indexOf(name) === index)
      .map((name) => ({ name, partitions: PARTITIONS, config: {} })),
  );

  const start = () => fork(APP, [kafkaBrokers.join(','), prefix], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  // Two instances, so that tasks move between them.
  const apps: ChildProcess[] = [start(), start()];
  t.after(() => {
    for (const app of apps) app.kill('SIGKILL');
  });

  const input = createEntries(random, ENTRIES);
  const producer = await kafka.producer();
  const feeding = (async () => {
    for (let at = 0; at < input.length; at += 100) {
      const records = input
        .slice(at, at + 100)
        .map((entry) => ({ key: entry.account, value: entries.encode(entry), timestampMs: entry.atMs }));
      await producer.send([{ topic: entries.name, records }]);
      await sleep(100);
    }
  })();
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(300 + random() * 1_500);
    const victim = Math.floor(random() * apps.length);
    apps[victim]?.kill('SIGKILL');
    apps[victim] = start();
  }
  await feeding;
  const expected = input.filter(({ amount }) => amount !== 666);
  const output = await readAll(kafka, published.name, expected.length);
  const letters = await readAll(kafka, `${prefix}dead-letters`, input.length - expected.length);

  const results = output.map(({ value }) => published.decode(value ?? Buffer.alloc(0)));
  assert.deepEqual(
    results.map(({ id }) => id).sort(),
    expected.map(({ id }) => id).sort(),
    'each entry comes out once',
  );
  // One by one: a comparison of the whole would print thousands of lines.
  const resultOf = new Map(results.map((result) => [result.id, result]));
  for (const wanted of countByHand(expected))
    assert.deepEqual(resultOf.get(wanted.id), wanted, 'and as a count by hand says');
  assert.equal(
    new Set(letters.map(({ key }) => key?.toString())).size,
    input.length - expected.length,
    'what fails is put aside',
  );
  assert.equal(letters.length, input.length - expected.length, 'once each');

  for (const app of apps) {
    app.kill('SIGTERM');
    const [code] = (await once(app, 'exit')) as [number | null];
    assert.equal(code, 0, 'and a polite request ends it in order');
  }
  await Promise.all([producer.close(), admin.close()]);
});

function createEntries(random: () => number, count: number): Entry[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `e${i}`,
    account: `a${Math.floor(random() * 50)}`,
    amount: random() < 0.002 ? 666 : Math.floor(random() * 500),
    // Mostly in order, some up to half a minute behind.
    atMs: 1_700_000_000_000 + i * 200 - (random() < 0.1 ? Math.floor(random() * 30_000) : 0),
  }));
}

/** Accounts are independent and each keeps the order of the input, whatever the partition. */
function countByHand(entries: readonly Entry[]): Running[] {
  const seen = new Map<string, Entry[]>();
  return entries.map((entry) => {
    const before = seen.get(entry.account) ?? [];
    before.push(entry);
    seen.set(entry.account, before);
    // Memory reaches back a minute from the newest entry of the account.
    const newest = Math.max(...before.map(({ atMs }) => atMs));
    const minute = before.filter(
      ({ atMs }) => atMs > entry.atMs - MINUTE_MS && atMs <= entry.atMs && atMs > newest - MINUTE_MS,
    );
    const sum = (list: readonly Entry[]) => list.reduce((total, { amount }) => total + amount, 0);
    return { ...entry, count: before.length, sum: sum(before), minuteCount: minute.length, minuteSum: sum(minute) };
  });
}

/** Reads until `count` records are there, and then a moment longer, for those that should not be. */
async function readAll(kafka: Kafka, topic: string, count: number): Promise<InRecord[]> {
  const reader = await kafka.reader({ isolation: 'read_committed' });
  reader.assign(Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, offset: 'start' as const })));
  const records: InRecord[] = [];
  const deadline = Date.now() + 60_000;
  let quietUntil = Number.POSITIVE_INFINITY;
  while (Date.now() < Math.min(deadline, quietUntil)) {
    for (const batch of await reader.poll({ maxWaitMs: 100 })) records.push(...batch.records);
    if (records.length >= count && quietUntil === Number.POSITIVE_INFINITY) quietUntil = Date.now() + 2_000;
  }
  await reader.close();
  return records;
}
