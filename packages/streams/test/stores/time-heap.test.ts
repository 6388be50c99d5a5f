import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TimeHeap } from '../../src/stores/time-heap.ts';

test('items come out in order of their times, however puts and takes alternate', () => {
  const someSteps = fc.array(fc.option(fc.integer({ min: -50, max: 50 })), { maxLength: 300 });
  fc.assert(
    fc.property(someSteps, (steps) => {
      const heap = new TimeHeap();
      const waiting: { readonly timeMs: number; readonly item: number }[] = [];
      steps.forEach((timeMs, item) => {
        if (timeMs !== null) {
          heap.push(timeMs, item);
          waiting.push({ timeMs, item });
        } else if (waiting.length > 0) {
          const earliestMs = Math.min(...waiting.map((one) => one.timeMs));
          assert.equal(heap.earliestMs, earliestMs);
          const popped = heap.pop();
          const at = waiting.findIndex((one) => one.item === popped);
          assert.equal(waiting[at]?.timeMs, earliestMs);
          waiting.splice(at, 1);
        }
        if (waiting.length === 0) assert.equal(heap.earliestMs, Number.POSITIVE_INFINITY);
      });
    }),
  );
});
