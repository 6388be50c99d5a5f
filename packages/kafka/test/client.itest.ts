import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testStack } from '@millrace/local-stack';
import { type Assignment, createKafka, type InRecord, type Kafka, type PartitionReader } from '../src/index.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
let counter = 0;
const unique = (name: string) => `${name}-${process.pid}-${Date.now().toString(36)}-${counter++}`;

function connect(): Kafka {
  return createKafka({ brokers: testStack().kafkaBrokers, clientId: 'test', logger: silent });
}

async function createTopic(kafka: Kafka, partitions = 2): Promise<string> {
  const topic = unique('topic');
  const admin = await kafka.admin();
  await admin.createTopics([{ name: topic, partitions, config: {} }]);
  await admin.close();
  return topic;
}

async function readToEnd(reader: PartitionReader, partitions: number): Promise<InRecord[]> {
  const records: InRecord[] = [];
  const behind = new Set(Array.from({ length: partitions }, (_, partition) => partition));
  while (behind.size > 0) {
    for (const batch of await reader.poll({ maxWaitMs: 100 })) {
      records.push(...batch.records);
      if (batch.nextOffset >= batch.endOffset) behind.delete(batch.partition);
    }
  }
  return records;
}

const fromStart = (topic: string, partitions: number) =>
  Array.from({ length: partitions }, (_, partition) => ({ topic, partition, offset: 'start' as const }));

test('what a producer was told is kept can be read, in the order of each key', async () => {
  const kafka = connect();
  const topic = await createTopic(kafka);
  const producer = await kafka.producer();
  const sends = Array.from({ length: 50 }, (_, i) =>
    producer.send([
      { topic, records: [{ key: `k${i % 5}`, value: String(i), headers: { schema: 'x.v1' }, timestampMs: 5_000 + i }] },
    ]),
  );
  await Promise.all(sends);
  const reader = await kafka.reader({ isolation: 'read_uncommitted' });
  reader.assign(fromStart(topic, 2));
  const records = await readToEnd(reader, 2);
  for (let k = 0; k < 5; k++) {
    const values = records.filter(({ key }) => key?.toString() === `k${k}`).map(({ value }) => Number(value));
    assert.deepEqual(
      values,
      Array.from({ length: 10 }, (_, i) => i * 5 + k),
    );
  }
  const first = records.find(({ value }) => value?.toString() === '0');
  assert.deepEqual([first?.timestampMs, first?.headers.schema?.toString()], [5_000, 'x.v1']);
  await Promise.all([producer.close(), reader.close()]);
});

/** Of a cluster, from which on it takes what is written into a transaction without having been told before (KIP-890). */
for (const transactionVersionMax of [1, 2] as const) {
  const version = `transaction version ${transactionVersionMax}`;

  test(`a transaction shows all it wrote and its offsets, and a fenced producer nothing (${version})`, () =>
    showsAllOrNothing(transactionVersionMax));

  test(`many transactions in a row are each there once and in order, small ones and large ones (${version})`, () =>
    followEachOther(transactionVersionMax));
}

async function showsAllOrNothing(transactionVersionMax: 1 | 2): Promise<void> {
  const kafka = connect();
  const topic = await createTopic(kafka);
  const group = unique('group');
  const transactionalId = unique('txn');
  const options = { transactionalId, transactionTimeoutMs: 30_000, transactionVersionMax };
  const first = await kafka.transactionalProducer(options);
  const write = (value: string, offset: number) => ({
    batches: [{ topic, records: [{ key: 'k', value }] }],
    groupId: group,
    offsets: [{ topic, partition: 0, offset, metadata: `m${offset}` }],
  });
  await first.commitTransaction(write('one', 1));
  const second = await kafka.transactionalProducer(options);
  await assert.rejects(first.commitTransaction(write('zombie', 2)), { code: 'fenced' });
  await second.commitTransaction(write('two', 3));

  const reader = await kafka.reader({ isolation: 'read_committed' });
  reader.assign(fromStart(topic, 2));
  assert.deepEqual(
    (await readToEnd(reader, 2)).map(({ value }) => value?.toString()),
    ['one', 'two'],
  );
  const admin = await kafka.admin();
  const committed = await admin.committed(group, [topic]);
  assert.deepEqual(committed.map(({ partition, offset, metadata }) => [partition, offset, metadata]).sort(), [
    [0, 3, 'm3'],
    [1, -1, ''],
  ]);
  await Promise.all([first.close(), second.close(), reader.close(), admin.close()]);
}

async function followEachOther(transactionVersionMax: 1 | 2): Promise<void> {
  const kafka = connect();
  const topic = await createTopic(kafka, 2);
  const group = unique('group');
  const options = { transactionalId: unique('txn'), transactionTimeoutMs: 30_000, transactionVersionMax };
  const producer = await kafka.transactionalProducer(options);
  const transactions = 200;
  const expected: string[][] = [[], []];
  const large = 'x'.repeat(400_000);
  for (let offset = 1; offset <= transactions; offset++) {
    const records = Array.from({ length: offset % 5 }, (_, i) => {
      const partition = (offset + i) % 2;
      // Every fiftieth has more than a record batch holds.
      const value = `${offset}:${i}${offset % 50 === 4 ? large : ''}`;
      expected[partition]?.push(value);
      return { key: 'k', value, partition };
    });
    const offsets = [{ topic, partition: 0, offset }];
    await producer.commitTransaction({ batches: [{ topic, records }], groupId: group, offsets });
  }
  const reader = await kafka.reader({ isolation: 'read_committed' });
  reader.assign(fromStart(topic, 2));
  const found: string[][] = [[], []];
  for (const { partition, value } of await readToEnd(reader, 2)) found[partition]?.push(value?.toString() ?? '');
  assert.deepEqual(found, expected);
  const admin = await kafka.admin();
  const committed = await admin.committed(group, [topic]);
  assert.equal(committed.find(({ partition }) => partition === 0)?.offset, transactions);
  await Promise.all([producer.close(), reader.close(), admin.close()]);
}

test('a transaction without offsets shows its records in all topics together, and one without anything is none', async () => {
  const kafka = connect();
  const topics = [await createTopic(kafka, 1), await createTopic(kafka, 1)];
  const transactionalId = unique('txn');
  const first = await kafka.transactionalProducer({ transactionalId, transactionTimeoutMs: 30_000 });
  const write = (value: string) => ({ batches: topics.map((topic) => ({ topic, records: [{ key: 'k', value }] })) });
  await first.commitTransaction({ batches: [] });
  await first.commitTransaction(write('one'));
  const second = await kafka.transactionalProducer({ transactionalId, transactionTimeoutMs: 30_000 });
  await assert.rejects(first.commitTransaction(write('zombie')), { code: 'fenced' });
  await second.commitTransaction(write('two'));
  for (const topic of topics) {
    const reader = await kafka.reader({ isolation: 'read_committed' });
    reader.assign(fromStart(topic, 1));
    const values = (await readToEnd(reader, 1)).map(({ value }) => value?.toString());
    assert.deepEqual(values, ['one', 'two']);
    await reader.close();
  }
  await Promise.all([first.close(), second.close()]);
});

test('a reader goes on from an offset, pauses, and sees nothing of what it gave up', async () => {
  const kafka = connect();
  const topic = await createTopic(kafka, 2);
  const producer = await kafka.producer();
  const records = [0, 1].flatMap((partition) =>
    Array.from({ length: 4 }, (_, i) => ({ key: 'k', value: `${partition}:${i}`, partition })),
  );
  await producer.send([{ topic, records }]);
  const reader = await kafka.reader({ isolation: 'read_committed' });
  reader.assign([
    { topic, partition: 0, offset: 2 },
    { topic, partition: 1, offset: 0 },
  ]);
  reader.pause([{ topic, partition: 1 }]);
  const values = async () =>
    (await reader.poll({ maxWaitMs: 100 })).flatMap((batch) => batch.records.map(({ value }) => value?.toString()));
  assert.deepEqual(await values(), ['0:2', '0:3']);
  reader.resume([{ topic, partition: 1 }]);
  assert.deepEqual((await values()).sort(), ['1:0', '1:1', '1:2', '1:3']);
  reader.unassign([
    { topic, partition: 0 },
    { topic, partition: 1 },
  ]);
  assert.deepEqual(await values(), []);
  await Promise.all([producer.close(), reader.close()]);
});

test('members of a group share its units, and the one that stays gets all back', async () => {
  const kafka = connect();
  const topic = await createTopic(kafka, 4);
  const groupId = unique('group');
  const seen: { a: Assignment[]; b: Assignment[] } = { a: [], b: [] };
  const join = (name: 'a' | 'b') =>
    kafka.group({
      groupId,
      topics: [topic],
      unitsOf: (count) =>
        Array.from({ length: count(topic) }, (_, partition) => ({
          id: `u${partition}`,
          partitions: [{ topic, partition }],
        })),
      onAssigned: (assignment) => seen[name].push(assignment),
      onFatal: (error) => {
        throw error;
      },
    });
  const until = async (condition: () => boolean) => {
    for (let i = 0; i < 200 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(condition());
  };
  const owned = (name: 'a' | 'b') => seen[name].at(-1)?.units.map(({ id }) => id) ?? [];
  const a = await join('a');
  await until(() => owned('a').length === 4);
  const firstGeneration = seen.a.at(-1)?.generation ?? -1;
  const b = await join('b');
  await until(() => owned('a').length === 2 && owned('b').length === 2);
  assert.deepEqual([...owned('a'), ...owned('b')].sort(), ['u0', 'u1', 'u2', 'u3']);
  await assert.rejects(a.commit(firstGeneration, [{ topic, partition: 0, offset: 1 }]), { code: 'fenced' });
  await a.commit(seen.a.at(-1)?.generation ?? -1, [{ topic, partition: 0, offset: 7, metadata: 'note' }]);
  await b.close();
  await until(() => owned('a').length === 4);
  const admin = await kafka.admin();
  const [committed] = await admin.committed(groupId, [topic]);
  assert.deepEqual([committed?.offset, committed?.metadata], [7, 'note']);
  await Promise.all([a.close(), admin.close()]);
});

test('a topic with another number of partitions is refused with the remedy', async () => {
  const kafka = connect();
  const topic = await createTopic(kafka, 2);
  const admin = await kafka.admin();
  await admin.createTopics([{ name: topic, partitions: 2, config: {} }]);
  await assert.rejects(admin.createTopics([{ name: topic, partitions: 3, config: {} }]), {
    code: 'partition-mismatch',
    message: /TOPIC_PARTITIONS=2/,
  });
  await admin.close();
});
