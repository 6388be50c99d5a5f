import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TokenBucket } from '../../src/access/token-bucket.ts';

test('a burst is taken at once, then events come back at the rate', () => {
  const bucket = new TokenBucket({ eventsPerSecond: 10, burstEvents: 3 }, 0);
  assert.equal(bucket.left(0), 3);
  bucket.take(3);
  assert.deepEqual([bucket.left(0), bucket.msUntil(1)], [0, 100]);
  assert.deepEqual([bucket.left(99), bucket.left(100), bucket.left(250)], [0, 1, 2]);
  assert.equal(bucket.left(60_000), 3);
});

test('an array over what is left is owed, and paid off at the rate', () => {
  const bucket = new TokenBucket({ eventsPerSecond: 100, burstEvents: 50 }, 0);
  bucket.take(1_000);
  assert.deepEqual([bucket.left(0), bucket.msUntil(0), bucket.msUntil(1)], [-950, 9_500, 9_510]);
  assert.deepEqual([bucket.left(9_500), bucket.left(9_510)], [0, 1]);
});

test('a clock that is set back gives nothing, and takes nothing', () => {
  const bucket = new TokenBucket({ eventsPerSecond: 10, burstEvents: 10 }, 100_000);
  bucket.take(10);
  assert.deepEqual([bucket.left(50_000), bucket.left(50_100)], [0, 1]);
});

test('over any time no more is admitted than the burst and what the rate gives, plus the last array', (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`seed ${seed} (SEED=${seed} repeats it)`);
  const steps = fc.array(fc.record({ waitMs: fc.nat(2_000), events: fc.integer({ min: 1, max: 500 }) }), {
    minLength: 1,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 1_000 }), steps, (rate, burst, all) => {
      const bucket = new TokenBucket({ eventsPerSecond: rate, burstEvents: burst }, 0);
      let nowMs = 0;
      let admitted = 0;
      for (const { waitMs, events } of all) {
        nowMs += waitMs;
        if (bucket.left(nowMs) < 1) continue;
        // Before this array, everything admitted was paid for by the burst and the time that has passed.
        assert.ok(admitted <= burst + (rate * nowMs) / 1_000, `${admitted} events after ${nowMs} ms`);
        bucket.take(events);
        admitted += events;
      }
    }),
    { seed },
  );
});
