import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { createLanes } from '../../src/send/lanes.ts';

describe('lanes', () => {
  it('send every item once, those of a key in their order, one batch of a lane at a time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 300 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 20 }),
        async (keys, laneCount, batchMax) => {
          const sent: { key: number; order: number }[] = [];
          let underWay = 0;
          const lanes = createLanes<{ key: number; order: number }>({
            lanes: laneCount,
            batchMax,
            lingerMs: 0,
            itemsMax: 50,
            async send(batch) {
              assert.ok(batch.length <= batchMax);
              underWay += 1;
              assert.ok(underWay <= laneCount);
              await nextTurn();
              underWay -= 1;
              sent.push(...batch);
            },
          });
          for (const [order, key] of keys.entries()) {
            await lanes.room();
            assert.ok(lanes.size < 50);
            lanes.add(String(key), { key, order });
          }
          await lanes.idle();
          assert.equal(lanes.size, 0);
          assert.equal(sent.length, keys.length);
          for (const [, ofKey] of Map.groupBy(sent, ({ key }) => key)) {
            const orders = ofKey.map(({ order }) => order);
            assert.deepEqual(
              orders,
              orders.toSorted((a, b) => a - b),
            );
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('tell whoever waits what ended them', async () => {
    const failure = new Error('refused');
    const lanes = createLanes<string>({
      lanes: 1,
      batchMax: 1,
      lingerMs: 0,
      itemsMax: 2,
      send: () => Promise.reject(failure),
    });
    lanes.add('k', 'a');
    lanes.add('k', 'b');
    await assert.rejects(lanes.room(), failure);
    await assert.rejects(lanes.idle(), failure);
    assert.throws(() => lanes.check(), failure);
  });
});
