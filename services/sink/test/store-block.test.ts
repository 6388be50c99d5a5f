import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Fate, type Kind, World } from './world.ts';

const record = fc.record({
  gap: fc.nat({ max: 2 }),
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constant<Kind>('good') },
    fc.constantFrom<Kind>('poison', 'stubborn', 'foreign'),
  ),
});
const partitions = fc.array(fc.array(record, { maxLength: 14 }), { minLength: 1, maxLength: 3 });
const fate = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Fate>('done') },
  { weight: 3, arbitrary: fc.constantFrom<Fate>('crash-before', 'crash-after', 'freeze', 'engine-died') },
);
const fates = fc.array(fate, { maxLength: 60 });
const crashes = fc.array(fc.constantFrom<Fate>('done', 'done', 'crash-before', 'crash-after'), { maxLength: 60 });

test('each offset is stored exactly once, wherever processes crash, freeze and come back', async () => {
  await fc.assert(
    fc.asyncProperty(partitions, fates, async (content, befalls) => {
      const world = new World(content);
      await world.run(befalls);
      assertExactlyOnce(world);
    }),
    { numRuns: 500 },
  );
});

test('after a crash the rows are found even when ClickHouse has forgotten their token', async () => {
  await fc.assert(
    fc.asyncProperty(partitions, crashes, async (content, befalls) => {
      const world = new World(content);
      await world.run(befalls, 'forgotten');
      assertExactlyOnce(world);
    }),
    { numRuns: 300 },
  );
});

test('after ClickHouse was wiped each offset is stored exactly once again', async () => {
  await fc.assert(
    fc.asyncProperty(partitions, fates, fates, async (content, before, after) => {
      const world = new World(content);
      await world.run(before);
      world.wipeClickHouse();
      await world.run(after);
      assertExactlyOnce(world);
    }),
    { numRuns: 200 },
  );
});

test('without a fault there is one insert per block', async () => {
  const good = Array.from({ length: 8 }, () => ({ gap: 0, kind: 'good' as const }));
  const world = new World([good]);
  await world.run([]);
  assert.equal(world.inserts, 2); // a block is full with four records of the model
  assertExactlyOnce(world);
});

test('a token that ClickHouse remembers without its rows does not lose them', async () => {
  const world = new World([[{ gap: 0, kind: 'good' }]]);
  await world.run(['done', 'engine-died']);
  assert.deepEqual(world.rows, ['0:0']);
});

test('a frozen owner whose insert arrives after its successor has made it changes nothing', async () => {
  const world = new World([[{ gap: 0, kind: 'good' }]]);
  await world.run(['done', 'freeze', 'done', 'done', 'done', 'done']);
  assert.deepEqual(world.rows, ['0:0']);
  assert.equal(world.inserts, 2);
});

function assertExactlyOnce(world: World): void {
  assert.deepEqual([...world.rows].sort(), world.offsetsOf('good').sort());
  const refused = [...world.offsetsOf('poison'), ...world.offsetsOf('stubborn')].sort();
  assert.deepEqual([...new Set(world.deadLetters)].sort(), refused);
  assert.deepEqual(world.unfinished(), []);
}
