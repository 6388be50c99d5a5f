import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RankTree } from '../../src/stores/rank-tree.ts';

const SEED = Date.now() % 2 ** 31;

test('every rank is that of a sorted list, whatever is added and removed', (t) => {
  t.diagnostic(`seed ${SEED}`);
  const step = fc.record({ value: fc.integer({ min: 0, max: 30 }), remove: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const tree = new RankTree();
      let list: number[] = [];
      for (const { value, remove } of steps) {
        const at = list.indexOf(value);
        if (remove && at >= 0) {
          tree.remove(value);
          list = list.toSpliced(at, 1);
        } else {
          tree.add(value);
          list = [...list, value].sort((a, b) => a - b);
        }
        assert.deepEqual(
          list.map((_, rank) => tree.at(rank)),
          list,
        );
      }
      tree.clear();
      tree.add(7);
      assert.equal(tree.at(0), 7);
    }),
    { seed: SEED, numRuns: 200 },
  );
});

test('numbers that come in order make no chain: a hundred thousand of them go in and out', () => {
  const tree = new RankTree();
  for (let i = 0; i < 100_000; i++) tree.add(i);
  for (let i = 0; i < 99_999; i++) tree.remove(i);
  assert.equal(tree.at(0), 99_999);
});
