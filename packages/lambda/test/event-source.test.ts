import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InRecord, Kafka, KafkaAdmin, PartitionReader } from '@millrace/kafka';
import { openEventSource } from '../src/index.ts';

/** A topic of so many records per partition, which come at the first poll. */
function createTopic(counts: readonly number[]) {
  const batches = counts.map((count, partition) => ({
    topic: 'payments',
    partition,
    records: Array.from({ length: count }, (_, offset) => recordOf(partition, offset)),
    nextOffset: count,
    endOffset: count,
  }));
  let polls = 0;
  const reader = {
    assign: () => undefined,
    poll: async () => (polls++ === 0 ? batches : batches.map((batch) => ({ ...batch, records: [] }))),
    close: async () => undefined,
  } as unknown as PartitionReader;
  return {
    kafka: { reader: async () => reader } as unknown as Kafka,
    admin: {
      offsets: async () => counts.map((end, partition) => ({ partition, start: 0, end })),
    } as unknown as KafkaAdmin,
  };
}

const recordOf = (partition: number, offset: number): InRecord => ({
  ...{ topic: 'payments', partition, offset, timestampMs: 1_000 + offset },
  ...{ key: Buffer.from('k'), value: Buffer.from(`v${offset}`), headers: { schema: Buffer.from('é') } },
});

interface Sent {
  readonly records: Record<string, { readonly offset: number }[]>;
}
const offsetsIn = (event: unknown) =>
  Object.fromEntries(
    Object.entries((event as Sent).records).map(([name, list]) => [name, list.map(({ offset }) => offset)]),
  );

async function run(counts: readonly number[], answers: (() => unknown)[], retriesMax = -1) {
  const sent: Record<string, number[]>[] = [];
  const givenUp: number[] = [];
  const source = await openEventSource({
    ...createTopic(counts),
    ...{ topics: ['payments'], shape: 'msk', recordsMax: 4, retriesMax },
    invoke: async (event) => {
      sent.push(offsetsIn(event));
      return (answers.shift() ?? (() => ({ batchItemFailures: [] })))();
    },
    onFailure: (records) => givenUp.push(...records.map(({ offset }) => offset)),
  });
  await source.drain();
  await source.close();
  return { sent, givenUp };
}

const failureAt = (partition: string, offset: number) => () => ({
  batchItemFailures: [{ itemIdentifier: { partition, offset } }],
});

test('it goes on behind what was done, and a partition with a failure goes on at the failure', async () => {
  const { sent } = await run([4, 3], [failureAt('payments-0', 1)]);
  assert.deepEqual(sent, [
    { 'payments-0': [0, 1], 'payments-1': [0, 1] },
    { 'payments-0': [1, 2], 'payments-1': [2] },
    { 'payments-0': [3] },
  ]);
});

test('an error of the function, or a failure that was not in the event, repeats the whole batch', async () => {
  const fails = () => {
    throw new Error('timed out');
  };
  const { sent } = await run([2], [fails, failureAt('payments-0', 7), failureAt('payments-9', 0), () => null]);
  assert.deepEqual(sent, Array(4).fill({ 'payments-0': [0, 1] }));
});

test('what fails more often than it may is given up, and what is behind it goes on', async () => {
  const { sent, givenUp } = await run([6], [failureAt('payments-0', 0), failureAt('payments-0', 0)], 1);
  assert.deepEqual(givenUp, [0, 1, 2, 3]);
  assert.deepEqual(sent.at(-1), { 'payments-0': [4, 5] });
});
