import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BatchProgress, samples } from '@millrace/contracts';
import { openProgressLog } from '../../src/progress-log.ts';
import { createBatchWorld } from './world.ts';

const markOf = (batchId: string, line: number): BatchProgress => ({
  ...samples.batchProgress,
  batch_id: batchId,
  last_line_settled: line,
  updated_at: Date.now(),
});

test('a log opened later fences the earlier one, reads what it has left, and nothing is there twice or in part', async (t) => {
  const { kafka, topics, readTopic } = await createBatchWorld(t);
  const contract = topics.batchesProgress;
  const open = (id: string, rest: object = {}) =>
    openProgressLog<BatchProgress>({ kafka, contract, transactionalId: contract.name + id, nowMs: Date.now, ...rest });
  const parts = (id: string) => [
    { contract: topics.paymentsRaw, events: [{ ...samples.payment, transaction_id: id }] },
    { contract: topics.fraudLabels, events: [{ ...samples.label, transaction_id: id }] },
  ];
  const first = await open('.a');
  assert.equal(first.get('a'), undefined);
  await first.commit({ parts: parts('t-1'), marks: [markOf('a', 1)] });
  const other = await open('.b');
  await other.commit({ parts: [], marks: [markOf('b', 7)] });

  const second = await open('.a');
  assert.deepEqual([second.get('a')?.last_line_settled, second.get('b')?.last_line_settled, second.size], [1, 7, 2]);
  await assert.rejects(first.commit({ parts: parts('zombie'), marks: [markOf('a', 2)] }), { code: 'taken-over' });
  await assert.rejects(first.commit({ parts: [], marks: [] }), { code: 'closed' });
  await second.commit({ parts: parts('t-2'), marks: [markOf('a', 2)] });
  assert.equal(second.get('a')?.last_line_settled, 2);

  const third = await open('.a', { isWanted: (key: string) => key === 'a' });
  assert.deepEqual([third.get('a')?.last_line_settled, third.size], [2, 1]);
  await assert.rejects(open('.c', { keysMax: 1 }), { code: 'overloaded' });
  await Promise.all([first, second, third, other].map((log) => log.close()));

  for (const topic of [topics.paymentsRaw, topics.fraudLabels]) {
    const ids = (await readTopic(topic.name)).map(({ value }) => JSON.parse(String(value)).transaction_id);
    assert.deepEqual(ids, ['t-1', 't-2']);
  }
});

test('a mark behind the open transaction of somebody else is waited for, not missed', async (t) => {
  const { kafka, topics } = await createBatchWorld(t);
  const contract = topics.batchesProgress;
  const open = (id: string) =>
    openProgressLog<BatchProgress>({ kafka, contract, transactionalId: contract.name + id, nowMs: Date.now });
  const slow = await open('.slow');
  // Many records, so that the transaction is open while the other one commits.
  const marks = Array.from({ length: 20_000 }, (_, index) => markOf(`slow-${index % 50}`, index));
  const slowly = slow.commit({ marks });
  const quick = await open('.quick');
  await quick.commit({ marks: [markOf('quick', 5)] });
  const again = await open('.quick');
  assert.equal(again.get('quick')?.last_line_settled, 5);
  await slowly;
  await Promise.all([slow, quick, again].map((log) => log.close()));
});
