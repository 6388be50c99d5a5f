import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RecentTable } from '../../src/decisions/recent-table.ts';

const SEED = Date.now() % 2 ** 31;

test('it holds the newest entries that fit, and never more', (t) => {
  t.diagnostic(`seed ${SEED}`);
  const step = fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
    bytes: fc.integer({ min: 0, max: 40 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = new RecentTable<number>({ entriesMax: 4, bytesMax: 100 });
      // Oldest first.
      let model: { key: string; value: number; bytes: number }[] = [];
      steps.forEach(({ key, bytes }, value) => {
        table.set(key, value, bytes);
        model = [...model.filter((entry) => entry.key !== key), { key, value, bytes }];
        const sum = () => model.reduce((total, entry) => total + entry.bytes, 0);
        while (model.length > 4 || sum() > 100) model = model.slice(1);
        assert.deepEqual([table.size, table.bytes], [model.length, sum()]);
        for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
          assert.equal(table.get(name), model.find((entry) => entry.key === name)?.value);
        }
      });
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test('an entry that is larger than all of it is not kept', () => {
  const table = new RecentTable<string>({ entriesMax: 4, bytesMax: 100 });
  table.set('a', 'small', 10);
  table.set('b', 'large', 101);
  assert.deepEqual([table.size, table.bytes], [0, 0]);
});
