// Each check holds for what is right, and objects to each thing that it is there to find.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareIds } from '../checks/events.ts';
import { compareOffsets } from '../checks/offsets.ts';
import { checkDeaths, checkMemory, RSS_MIB_MAX } from '../checks/processes.ts';

const ids = { sent: new Set(['a', 'b', 'c']), acknowledged: new Set(['a', 'b']) };

test('events hold when those acknowledged are there once, and those without an answer at most once', () => {
  for (const rows of [
    { a: 1, b: 1 },
    { a: 1, b: 1, c: 1 },
  ]) {
    assert.deepEqual(compareIds('x', ids, new Map(Object.entries(rows))), { check: 'x', compared: 2, problems: [] });
  }
});

test('events that are lost, there twice, or from nowhere are named', () => {
  const problems = (rows: Record<string, number>) => compareIds('x', ids, new Map(Object.entries(rows))).problems;
  assert.deepEqual(problems({ b: 1 }), ['1 acknowledged and lost: a']);
  assert.deepEqual(problems({ a: 1, b: 2 }), ['1 there more than once: b (2 rows)']);
  assert.deepEqual(problems({ a: 1, b: 1, c: 3 }), ['1 there more than once: c (3 rows)']);
  assert.deepEqual(problems({ a: 1, b: 1, d: 1 }), ['1 that nobody sent: d']);
});

test('with nothing acknowledged nothing is proved', () => {
  const none = { sent: new Set<string>(), acknowledged: new Set<string>() };
  assert.deepEqual(compareIds('x', none, new Map()).problems, ['there was nothing to compare']);
});

test('offsets hold when every committed record has its rows, once', () => {
  assert.deepEqual(offsets(['0@1', '0@2'], ['0@1', '0@2']), []);
  // The offsets between are control records.
  assert.deepEqual(offsets(['0@1', '0@7', '1@1'], ['0@1', '0@7', '1@1']), []);
});

test('a record that is not stored, a row without a record and a repeated offset are named', () => {
  assert.deepEqual(offsets(['0@1', '0@2'], ['0@1']), ['1 records are not stored: 0@2']);
  assert.deepEqual(offsets(['0@1'], ['0@1', '0@2']), ['1 rows have no committed record: 0@2']);
  assert.deepEqual(offsets(['0@1'], ['0@1'], 2), ['1 offsets are stored more than once: 0@1']);
});

test('of a compacted topic the table may know more, and not less', () => {
  assert.deepEqual(offsets(['0@2'], ['0@1', '0@2'], 1, true), []);
  assert.deepEqual(offsets(['0@2'], ['0@1'], 1, true), ['1 records are not stored: 0@2']);
});

test('memory over its bound is named, and so is a service that was never seen', () => {
  const peaks = new Map(Object.entries(RSS_MIB_MAX)) as Map<keyof typeof RSS_MIB_MAX, number>;
  assert.deepEqual(checkMemory(peaks).problems, []);
  const over = new Map(peaks).set('sink', RSS_MIB_MAX.sink + 1);
  assert.match(checkMemory(over).problems.join(), /sink with/);
  const unseen = new Map(peaks);
  unseen.delete('api');
  assert.match(checkMemory(unseen).problems.join(), /api, which was never seen/);
});

test('processes may end when they are killed, and at no other time', () => {
  const killed = '  enricher-2 died (signal SIGKILL), restarting in 250 ms\n';
  const ended = '  sink died (exit code 1), restarting in 250 ms\n';
  assert.deepEqual(checkDeaths(killed, ['enricher']).problems, []);
  assert.deepEqual(checkDeaths(killed + ended, ['enricher']).problems, [
    '1 processes ended by themselves: sink (exit code 1)',
  ]);
  assert.deepEqual(checkDeaths(killed + killed, ['enricher']).problems, [
    'enricher was killed 1 times, and the supervisor saw 2',
  ]);
  assert.deepEqual(checkDeaths('', ['api']).problems, ['api was killed 1 times, and the supervisor saw 0']);
});

function offsets(records: string[], stored: string[], rowsEach = 1, compacted = false): readonly string[] {
  const rows = stored.map((place) => ({ place, rows: rowsEach, once: 1 }));
  return compareOffsets({ topic: 't', table: 't', compacted, records: new Set(records), rows }).problems;
}
