import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCounting } from './support/counting.ts';

const PARTITIONS = 3;
const KILLS = 6;

test('every entry is counted exactly once while the application is killed with -9 again and again', async (t) => {
  const counting = await openCounting(t, { name: 'exactly-once', partitions: PARTITIONS, unbearable: 0.002 });
  // Two instances, so that tasks move between them.
  const instances = [counting.start(), counting.start()];
  const feed = counting.feed();
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(300 + counting.random() * 1_500);
    const victim = Math.floor(counting.random() * instances.length);
    instances[victim]?.kill();
    instances[victim] = counting.start();
  }
  await feed.stop();
  await counting.verify();
  for (const instance of instances) {
    await instance.until('it is there to be asked', ({ ready }) => ready);
    assert.equal(await instance.stop(), 0, 'and a polite request ends it in order');
  }
});
