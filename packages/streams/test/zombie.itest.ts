import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCounting } from './support/counting.ts';

const PARTITIONS = 4;
/** The topology has two processors. */
const TASKS = 2 * PARTITIONS;

test('a process that is frozen past its session and comes back is fenced, does no harm, and takes part again', async (t) => {
  const counting = await openCounting(t, { name: 'zombie', partitions: PARTITIONS });
  const instances = [counting.start(), counting.start()] as const;
  const shared = () =>
    Promise.all(
      instances.map((instance) =>
        instance.until('it has its half of the tasks', ({ running }) => running === TASKS / 2),
      ),
    );
  await shared();
  const feed = counting.feed();

  for (const [zombie, heir] of [instances, [...instances].reverse()] as (typeof instances)[]) {
    const before = feed.acknowledged();
    await zombie.until('the load has reached it', () => feed.acknowledged() > before + 500);
    const fencedBefore = zombie.status().fenced;
    zombie.freeze();
    await heir.until('it has taken over all tasks', ({ running }) => running === TASKS);
    zombie.thaw();
    await zombie.until('what it still held is fenced', ({ fenced }) => fenced > fencedBefore);
    await shared();
  }
  await feed.stop();
  await counting.verify();
  for (const instance of instances) assert.equal(await instance.stop(), 0, 'and a polite request ends it in order');
});
