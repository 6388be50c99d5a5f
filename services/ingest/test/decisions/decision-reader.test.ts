import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type InRecord, KafkaError, type PartitionReader, type ReadBatch } from '@millrace/kafka';
import { createLogger } from '@millrace/observability';
import { createDecisionReader } from '../../src/decisions/decision-reader.ts';

const TOPIC = 'fraud.decisions';
const IDLE_MS = 1_000;

/** A topic in memory, whose readers fail when a test says so. */
function createWorld(t: TestContext) {
  const log = new Map([
    [0, [] as string[]],
    [1, [] as string[]],
  ]);
  const taken: string[] = [];
  const assigned: string[] = [];
  let open = 0;
  let nowMs = 0;
  let failure: KafkaError | undefined;
  let polls = 0;

  async function openReader(): Promise<PartitionReader> {
    if (failure !== undefined) throw failure;
    open += 1;
    const next = new Map<number, number>();
    const poll = async (): Promise<ReadBatch[]> => {
      polls += 1;
      await new Promise(setImmediate);
      if (failure !== undefined) throw failure;
      return Array.from(next, ([partition, from]) => {
        const values = log.get(partition) ?? [];
        next.set(partition, values.length);
        const records = values.slice(from).map((value, index) => recordOf(partition, from + index, value));
        return { topic: TOPIC, partition, records, nextOffset: values.length, endOffset: values.length };
      });
    };
    const unused = () => assert.fail('not used');
    return {
      assign(partitions) {
        for (const { topic, partition, offset } of partitions) {
          assert.equal(topic, TOPIC);
          assigned.push(`${partition}@${offset}`);
          next.set(partition, Number(offset));
        }
      },
      poll,
      close: async () => {
        open -= 1;
      },
      ...{ unassign: unused, pause: unused, resume: unused, position: unused },
    };
  }

  const reader = createDecisionReader({
    topic: TOPIC,
    openReader,
    endOffsets: async () => Array.from(log, ([partition, { length }]) => ({ partition, end: length })),
    take: ({ value }) => taken.push(String(value)),
    nowMs: () => nowMs,
    logger: createLogger({ service: 'ingest', level: 'silent' }),
    limits: { idleMs: IDLE_MS, pollMs: 1, retryMs: 1 },
  });
  t.after(() => reader.close());
  return {
    reader,
    taken,
    assigned,
    openReaders: () => open,
    write: (partition: number, value: string) => log.get(partition)?.push(value),
    failWith(error: KafkaError | undefined) {
      failure = error;
    },
    pass(ms: number) {
      nowMs += ms;
    },
    /** Resolves when that many polls more have ended. */
    async polled(times: number) {
      const until = polls + times;
      while (polls <= until) await new Promise(setImmediate);
    },
    async until(condition: () => boolean) {
      while (!condition()) await new Promise(setImmediate);
    },
  };
}

function recordOf(partition: number, offset: number, value: string): InRecord {
  return { topic: TOPIC, partition, offset, timestampMs: 0, key: null, value: Buffer.from(value), headers: {} };
}

test('it reads all partitions from their end on, and nothing before it is asked to', async (t) => {
  const { reader, write, taken, assigned, openReaders, until } = createWorld(t);
  write(0, 'before');
  write(1, 'before');
  write(1, 'before');
  await new Promise(setImmediate);
  assert.equal(openReaders(), 0);
  assert.equal(await reader.listen(), true);
  assert.deepEqual(assigned, ['0@1', '1@2']);
  write(0, 'a');
  write(1, 'b');
  await until(() => taken.length === 2);
  assert.deepEqual(taken.toSorted(), ['a', 'b']);
});

test('many who listen share one reader', async (t) => {
  const { reader, openReaders } = createWorld(t);
  assert.deepEqual(await Promise.all([reader.listen(), reader.listen(), reader.listen()]), [true, true, true]);
  assert.equal(await reader.listen(), true);
  assert.equal(openReaders(), 1);
});

test('it ends some time after the last use, and begins again at the end as it is then', async (t) => {
  const { reader, write, taken, assigned, openReaders, pass, polled, until } = createWorld(t);
  await reader.listen();
  pass(IDLE_MS - 1);
  await reader.listen();
  pass(IDLE_MS - 1);
  await polled(3);
  assert.equal(openReaders(), 1);
  pass(1);
  await until(() => openReaders() === 0);
  write(0, 'while nobody listens');
  assert.equal(await reader.listen(), true);
  assert.deepEqual(assigned, ['0@0', '1@0', '0@1', '1@0']);
  write(0, 'a');
  await until(() => taken.length > 0);
  assert.deepEqual(taken, ['a']);
});

test('after a failure that passes it goes on where it was, and whoever asks meanwhile is told', async (t) => {
  const { reader, write, taken, failWith, until, openReaders } = createWorld(t);
  await reader.listen();
  write(0, 'a');
  await until(() => taken.length === 1);
  failWith(new KafkaError('unavailable', 'no broker answers', { retriable: true }));
  await until(() => openReaders() === 0);
  assert.equal(await reader.listen(), false);
  write(0, 'b');
  failWith(undefined);
  await until(() => taken.length === 2);
  assert.equal(await reader.listen(), true);
  write(0, 'c');
  await until(() => taken.length === 3);
  assert.deepEqual(taken, ['a', 'b', 'c']);
});

test('after a failure of the place itself it begins again at the end', async (t) => {
  const { reader, write, taken, assigned, failWith, until, openReaders } = createWorld(t);
  await reader.listen();
  failWith(new KafkaError('offset-out-of-range', 'the records are gone'));
  await until(() => openReaders() === 0);
  write(1, 'lost');
  failWith(undefined);
  await until(() => openReaders() === 1);
  assert.deepEqual(assigned.slice(2), ['0@0', '1@1']);
  write(1, 'a');
  await until(() => taken.length === 1);
  assert.deepEqual(taken, ['a']);
});

test('a first attempt that fails says so at once', async (t) => {
  const { reader, failWith, until, openReaders } = createWorld(t);
  failWith(new KafkaError('unavailable', 'no broker answers', { retriable: true }));
  assert.equal(await reader.listen(), false);
  failWith(undefined);
  await until(() => openReaders() === 1);
  assert.equal(await reader.listen(), true);
});

test('closed it reads nothing, and listens to nobody', async (t) => {
  const { reader, openReaders } = createWorld(t);
  await reader.listen();
  await reader.close();
  assert.equal(openReaders(), 0);
  assert.equal(await reader.listen(), false);
  assert.equal(openReaders(), 0);
});
