import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isExact, median, type Run, ratios, tables } from '../../bench/peers/report.ts';

const truth = { expected: 10, match: 10, wrong: 0, missing: 0, extra: 0, duplicates: 0 };
const w2 = (engine: string, events_per_s: number, cpu_s_per_M: number): Run => ({
  kind: 'throughput',
  engine,
  job: 'w2',
  ok: true,
  events: 1_000,
  events_per_s,
  cpu_s_per_M,
  peak_rss_MiB: 300,
  check: truth,
});

test('a run is exact when no row is missing, wrong, extra or twice, and it came to its end', () => {
  assert.equal(isExact(w2('millrace', 1, 1)), true);
  for (const wrong of [{ missing: 1, match: 9 }, { extra: 1 }, { duplicates: 1 }, { wrong: 1, match: 9 }])
    assert.equal(isExact({ ...w2('millrace', 1, 1), check: { ...truth, ...wrong } }), false);
  assert.equal(isExact({ ...w2('millrace', 1, 1), ok: false }), false);
  assert.equal(isExact({ ...w2('millrace', 1, 1), check: 'the checker failed' }), false);
  const latency: Run = { kind: 'latency', engine: 'millrace', job: 'w2', expected: 5, received: 5, duplicates: 0 };
  assert.equal(isExact(latency), true);
  assert.equal(isExact({ ...latency, received: 4 }), false);
  assert.equal(isExact({ ...latency, duplicates: 1 }), false);
});

test('medians are taken of each engine, and ours are set beside the peer’s', () => {
  const runs = [
    w2('millrace+WORKERS=1', 100, 4),
    w2('kstreams', 110, 5),
    w2('millrace+WORKERS=1', 130, 3),
    w2('kstreams', 90, 6),
    w2('millrace+WORKERS=1', 120, 5),
  ];
  const found = ratios(runs).map(({ what, value, peerValue, reached }) => [what, value, peerValue, reached]);
  assert.deepEqual(found, [
    ['W2 events/s', 120, 100, true],
    ['W2 CPU s per M', 4, 5.5, true],
    ['W2 peak RSS MiB', 300, 400, true],
  ]);
  assert.match(tables(runs), /\| millrace\+WORKERS=1 \| 3 \| 120 \(100 to 130\) \|/);
  assert.match(tables(runs), /10 \/ 0 \/ 0 \/ 0/);
});

test('what was not run beside the other is not compared', () => {
  assert.deepEqual(
    ratios([w2('kstreams', 110, 5)]).map(({ what }) => what),
    [],
  );
});

test('the median of an even number of values lies between the two in the middle', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([]), undefined);
});
