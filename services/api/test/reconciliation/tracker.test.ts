import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOP } from '@millrace/warehouse';
import { createTracker } from '../../src/reconciliation/tracker.ts';

const sighting = (hash: number, hops: number, rows: { enriched?: number; decided?: number } = {}) => ({
  hash,
  hops,
  sinceMs: 1000,
  enrichedRows: rows.enriched ?? (hops & HOP.enriched ? 1 : 0),
  enrichedRowsOnce: hops & HOP.enriched ? 1 : 0,
  decidedRows: rows.decided ?? (hops & HOP.decided ? 1 : 0),
});
const ALL = HOP.raw | HOP.enriched | HOP.decided;

test('a forgotten event that is seen again is recognised by its past and not counted anew', () => {
  const tracker = createTracker({ kind: 'payments', recentMax: 2 });
  tracker.observe([1, 2, 3, 4].map((hash) => sighting(hash, ALL)));
  tracker.observe([sighting(1, HOP.ledger), sighting(2, HOP.raw)]);
  assert.equal(tracker.counts(9999).lost, 0, 'nothing is lost before it is confirmed');
  assert.deepEqual(tracker.unconfirmed(9999, 10), [1, 2]);
  tracker.confirm([1, 2], [sighting(1, ALL), sighting(2, ALL)]);
  assert.equal(tracker.underWay, 0);
  assert.deepEqual(tracker.counts(9999), {
    accepted: 4,
    raw: 4,
    enriched: 4,
    decided: 4,
    stored: 4,
    lost: 0,
    duplicated: 0,
  });
});

test('what is looked up is what is settled, the oldest first and not too much at once', () => {
  const tracker = createTracker({ kind: 'payments' });
  tracker.observe([sighting(1, HOP.raw), { ...sighting(2, HOP.raw), sinceMs: 5000 }, sighting(3, HOP.raw)]);
  assert.deepEqual(tracker.unconfirmed(1000, 1), [1]);
  tracker.confirm([1], []);
  assert.deepEqual(tracker.unconfirmed(1000, 10), [3]);
  assert.equal(tracker.counts(1000).lost, 1);
  assert.deepEqual(tracker.unconfirmed(5000, 10), [2, 3]);
});

test('a dead letter that is sent again and arrives becomes an event like any other', () => {
  const tracker = createTracker({ kind: 'payments' });
  tracker.observe([sighting(1, HOP.raw | HOP.deadLettered)]);
  tracker.confirm([1], []);
  assert.deepEqual(
    { ...tracker.counts(9999) },
    { accepted: 1, raw: 1, enriched: 0, decided: 0, stored: 0, lost: 0, duplicated: 0 },
  );
  tracker.observe([sighting(1, HOP.enriched | HOP.decided)]);
  assert.equal(tracker.counts(0).stored, 1);
});
