import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCounting } from './support/counting.ts';
import type { Instance } from './support/instance.ts';

const PARTITIONS = 4;
/** The topology has two processors. */
const TASKS = 2 * PARTITIONS;

test('instances come and go under load, from one to three and back, and every entry is counted once', async (t) => {
  const counting = await openCounting(t, { name: 'rebalance', partitions: PARTITIONS });
  const runs = (instance: Instance, tasks: number) =>
    instance.until(`it runs ${tasks} tasks`, ({ running, assigned }) => running === tasks && assigned === tasks);
  const first = counting.start();
  const feed = counting.feed();
  await runs(first, TASKS);
  const [second, third] = [counting.start(), counting.start()];
  const all = [first, second, third];
  const shares = () => all.map((instance) => instance.status().assigned).sort();
  for (const instance of all) {
    await instance.until(
      'the tasks are shared out evenly',
      ({ running, assigned }) => running === assigned && shares().join() === '2,3,3',
    );
  }
  const fedBefore = feed.acknowledged();
  await first.until('all three have work', () => feed.acknowledged() > fedBefore + 500);
  assert.equal(await first.stop(), 0);
  assert.equal(await second.stop(), 0);
  await runs(third, TASKS);
  await feed.stop();
  await counting.verify();
  assert.equal(third.status().fenced, 0, 'nobody who leaves in order fences anybody');
  assert.equal(await third.stop(), 0);
});
