import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCounting } from '../support/counting.ts';

const PARTITIONS = 3;
/** The topology has two processors, of which one has stores. */
const TASKS = 2 * PARTITIONS;
const FED_BEFORE = 3_000;

test('who is killed is replaced by a standby that has little left to read, and every entry is counted once', async (t) => {
  const counting = await openCounting(t, { name: 'standby', partitions: PARTITIONS, standbys: 1 });
  const first = counting.start();
  await first.until('it runs all tasks', ({ running }) => running === TASKS);
  const feed = counting.feed();
  await first.until('there is state', () => feed.acknowledged() >= FED_BEFORE);
  const second = counting.start();
  for (const instance of [first, second]) {
    await instance.until(
      'both run their share',
      ({ running, assigned }) => running === assigned && assigned === TASKS / 2,
    );
  }
  const standbys = first.status().standbys + second.status().standbys;
  assert.equal(standbys, PARTITIONS, 'every task with stores has one standby');

  // The second has restored its own share; what it takes over later it has read as a standby.
  const restoredBefore = second.status().restored;
  const fedBefore = feed.acknowledged();
  await second.until('the standbys have followed', () => feed.acknowledged() >= fedBefore + FED_BEFORE);
  first.kill();
  await second.until('it has taken over', ({ running, assigned }) => running === assigned && assigned === TASKS);
  await feed.stop();
  await counting.verify();
  const restored = second.status().restored - restoredBefore;
  t.diagnostic(`read ${restored} records at the takeover`);
  assert.ok(restored < FED_BEFORE / 10, `read ${restored} records to take over`);
  assert.equal(await second.stop(), 0);
});
