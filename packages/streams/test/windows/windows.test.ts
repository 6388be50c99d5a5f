import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hopping, session, tumbling, windowsOf } from '../../src/index.ts';

test('windows begin at multiples of their advance since the epoch, include their start, and exclude their end', () => {
  const minutes = tumbling({ sizeMs: 60_000 });
  assert.deepEqual(windowsOf(minutes, 0), [{ startMs: 0, endMs: 60_000 }]);
  assert.deepEqual(windowsOf(minutes, 59_999), [{ startMs: 0, endMs: 60_000 }]);
  assert.deepEqual(windowsOf(minutes, 60_000), [{ startMs: 60_000, endMs: 120_000 }]);
  assert.deepEqual(windowsOf(minutes, -1), [{ startMs: -60_000, endMs: 0 }]);
  assert.deepEqual(windowsOf(hopping({ sizeMs: 10, advanceMs: 4 }), 9), [
    { startMs: 0, endMs: 10 },
    { startMs: 4, endMs: 14 },
    { startMs: 8, endMs: 18 },
  ]);
});

test('a time lies in exactly the windows that a look through all of them finds', () => {
  const someWindows = fc
    .record({ sizeMs: fc.integer({ min: 1, max: 50 }), share: fc.integer({ min: 1, max: 50 }) })
    .map(({ sizeMs, share }) => hopping({ sizeMs, advanceMs: Math.max(1, Math.ceil((sizeMs * share) / 50)) }));
  fc.assert(
    fc.property(someWindows, fc.integer({ min: -500, max: 500 }), (windows, timestampMs) => {
      const all: { startMs: number; endMs: number }[] = [];
      for (let i = -1_000; i <= 1_000; i++) {
        const startMs = i * windows.advanceMs;
        if (startMs <= timestampMs && timestampMs < startMs + windows.sizeMs)
          all.push({ startMs, endMs: startMs + windows.sizeMs });
      }
      assert.deepEqual(windowsOf(windows, timestampMs), all);
    }),
  );
});

test('windows that make no sense are refused', () => {
  for (const sizeMs of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => tumbling({ sizeMs }), { code: 'invalid-topology' });
    assert.throws(() => hopping({ sizeMs: 10, advanceMs: sizeMs }), { code: 'invalid-topology' });
    assert.throws(() => session({ gapMs: sizeMs, lengthMsMax: 10 }), { code: 'invalid-topology' });
    assert.throws(() => session({ gapMs: 10, lengthMsMax: sizeMs }), { code: 'invalid-topology' });
  }
  assert.throws(() => hopping({ sizeMs: 10, advanceMs: 11 }), { code: 'invalid-topology', message: /be lost/ });
});
