import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKafka, type InRecord, type KafkaAdmin, type OutRecord } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger } from '@millrace/observability';
import type { Entry } from './contract/topics.ts';
import { type Instance, startInstance } from './support/instance.ts';
import { createRandom } from './support/random.ts';
import { createTimelyTopology } from './support/timely-topology.ts';
import { openTopicLog, settled, type TopicLog } from './support/topic-log.ts';

const PARTITIONS = 3;
const ENTRIES = 4_000;
const ACCOUNTS = 40;
const KILLS = 4;
/** So that there is time for all kills before the input has been processed. */
const RECORD_MS = 1;
const POLL_MS = 20;
const START_MS = 1_700_000_000_000;
const STEP_MS = 100;

test('the same input gives the same output topics, key by key and byte for byte, with crashes and without', async (t) => {
  const seed = Date.now() % 1_000_000;
  t.diagnostic(`seed ${seed}`);
  const random = createRandom(seed);
  const brokers = testStack().kafkaBrokers;
  const inputPrefix = `determinism-${process.pid}-${seed}.`;
  const calm = createTimelyTopology(`${inputPrefix}calm.`, inputPrefix);
  const rough = createTimelyTopology(`${inputPrefix}rough.`, inputPrefix);
  const kafka = createKafka({ brokers, clientId: 'test', logger: createLogger({ service: 'test', level: 'error' }) });
  const [admin, producer] = await Promise.all([kafka.admin(), kafka.producer()]);
  const topics = [calm.inputs, calm.outputs, rough.outputs].flatMap((group) =>
    Object.values(group).map(({ name }) => name),
  );
  const letters = ['calm.', 'rough.'].map((run) => `${inputPrefix}${run}dead-letters`);
  await admin.createTopics([...topics, ...letters].map((name) => ({ name, partitions: PARTITIONS, config: {} })));
  const log = await openTopicLog(kafka, admin, [...topics, ...letters]);
  const instances: Instance[] = [];
  t.after(async () => {
    for (const instance of instances) instance.kill();
    await Promise.all([producer.close(), log.close(), admin.close()]);
  });
  const start = (run: 'calm' | 'rough') => {
    const options = { topology: 'timely', brokers, prefix: `${inputPrefix}${run}.`, inputPrefix } as const;
    const instance = startInstance(run === 'calm' ? options : { ...options, recordMs: RECORD_MS });
    instances.push(instance);
    return instance;
  };

  // All of the input lies there before anybody reads it: of several inputs the order of arrival counts as well.
  for (const [topic, records] of Object.entries(createInput(random, calm.inputs)))
    await producer.send([{ topic, records }]);
  start('calm');
  await settled(calm.topology, log, admin);
  await runWithKills(t, random, () => start('rough'), rough.outputs.named.name, admin);
  await settled(rough.topology, log, admin);

  for (const [output, { name }] of Object.entries(calm.outputs)) {
    const wanted = await sequences(log, name);
    const found = await sequences(log, rough.outputs[output as keyof typeof rough.outputs].name);
    t.diagnostic(`${output}: ${[...wanted.values()].flat().length} records of ${wanted.size} keys`);
    assert.ok(wanted.size >= ACCOUNTS / 2, `${output} says something of most keys`);
    assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort(), `the same keys in ${output}`);
    for (const [key, sequence] of wanted) {
      const other = found.get(key) ?? [];
      const at = sequence.findIndex((record, i) => record !== other[i]);
      assert.equal(other[at], sequence[at], `record ${at} of ${key} in ${output}`);
      assert.equal(other.length, sequence.length, `no more and no less of ${key} in ${output}`);
    }
  }
  for (const topic of letters) assert.deepEqual(await log.readToEnd(topic), [], 'nothing was put aside');
});

/** Two instances, of which one is killed whenever the output has grown by another part of what it will be. */
async function runWithKills(
  t: TestContext,
  random: () => number,
  start: () => Instance,
  output: string,
  admin: KafkaAdmin,
): Promise<void> {
  const instances = [start(), start()];
  const length = async () => (await admin.offsets(output)).reduce((sum, { end }) => sum + end, 0);
  const kills: number[] = [];
  for (let kill = 1; kill <= KILLS; kill++) {
    const goal = ((kill - 0.5 + random() * 0.5) / (KILLS + 1)) * ENTRIES;
    const deadline = Date.now() + 60_000;
    while ((await length()) < goal) {
      assert.ok(Date.now() < deadline, `the output does not reach ${goal}: it is at ${await length()}`);
      await sleep(POLL_MS);
    }
    const victim = Math.floor(random() * instances.length);
    instances[victim]?.kill();
    instances[victim] = start();
    kills.push(await length());
  }
  t.diagnostic(`killed when the output held ${kills.join(', ')} records, markers included`);
}

function createInput(
  random: () => number,
  { entries, answers, facts }: ReturnType<typeof createTimelyTopology>['inputs'],
): Record<string, OutRecord[]> {
  const account = () => `account-${Math.floor(random() * ACCOUNTS)}`;
  // Many come late, by more than grace as well: whoever forgets stream time takes one of them for the newest.
  const timeOf = (i: number) => START_MS + i * STEP_MS - (random() < 0.4 ? Math.floor(random() * 90_000) : 0);
  const entry = (id: string, i: number): Entry => ({
    id,
    account: account(),
    amount: Math.floor(random() * 500),
    atMs: timeOf(i),
  });
  const toRecord = (topic: typeof entries, value: Entry): OutRecord => ({
    key: value.account,
    value: topic.encode(value),
    timestampMs: value.atMs,
  });
  const every = (step: number) => Array.from({ length: ENTRIES / step }, (_, i) => i * step);
  return {
    [entries.name]: every(1).map((i) => toRecord(entries, entry(`e${i}`, i))),
    [answers.name]: every(2).map((i) => toRecord(answers, entry(`a${i}`, i))),
    [facts.name]: every(10).map((i) => {
      const fact = { account: account(), name: `name-${i}`, atMs: timeOf(i) };
      return { key: fact.account, value: random() < 0.1 ? null : facts.encode(fact), timestampMs: fact.atMs };
    }),
  };
}

/** Time and bytes of the records of each key, in the order of their partition. */
async function sequences(log: TopicLog, topic: string): Promise<Map<string, string[]>> {
  const records = await log.readToEnd(topic);
  const text = ({ timestampMs, value }: InRecord) => `${timestampMs} ${value?.toString('utf8') ?? null}`;
  const byKey = Map.groupBy(records, ({ key }) => key?.toString('utf8') ?? '');
  return new Map([...byKey].map(([key, of]) => [key, of.map(text)]));
}
