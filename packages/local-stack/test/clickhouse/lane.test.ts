import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLane } from '../../src/clickhouse/lane.ts';

/** Work that ends when it is told to. */
function createWork() {
  const ends: ((value?: unknown) => void)[] = [];
  return { ends, work: () => new Promise((resolve) => ends.push(resolve)) };
}

test('so many run, so many wait in order, and one more is refused', async () => {
  const lane = createLane({ name: 'queries', runningMax: 2, waitingMax: 1 });
  const { ends, work } = createWork();
  const all = [lane.run(work), lane.run(work), lane.run(work)];
  await assert.rejects(lane.run(work), { type: 'TOO_MANY_SIMULTANEOUS_QUERIES', retriable: true });
  assert.deepEqual([ends.length, lane.running, lane.waiting], [2, 2, 1]);
  ends[0]?.();
  await all[0];
  // The next one starts in a later turn.
  await new Promise(setImmediate);
  assert.deepEqual([ends.length, lane.running, lane.waiting], [3, 2, 0]);
  ends[1]?.();
  ends[2]?.();
  await Promise.all(all);
  assert.equal(lane.running, 0);
});

test('work that fails gives its place away all the same', async () => {
  const lane = createLane({ name: 'queries', runningMax: 1, waitingMax: 1 });
  const failing = lane.run(() => Promise.reject(new Error('no')));
  const next = lane.run(() => Promise.resolve('yes'));
  await assert.rejects(failing, /no/);
  assert.equal(await next, 'yes');
});

test('a closed lane refuses those that wait and lets the running one end', async () => {
  const lane = createLane({ name: 'queries', runningMax: 1, waitingMax: 5 });
  const { ends, work } = createWork();
  const running = lane.run(work);
  const waiting = lane.run(work);
  lane.close();
  await assert.rejects(waiting, { type: 'SERVER_SHUTTING_DOWN' });
  await assert.rejects(lane.run(work), { type: 'SERVER_SHUTTING_DOWN' });
  ends[0]?.('done');
  assert.equal(await running, 'done');
});
