import { HyperLogLog } from '../sketches/hyper-log-log.ts';
import type { EventLog } from './event-log.ts';
import { Moments } from './moments.ts';

// Questions about the field of the rows [from, to) of the open key, answered by a look at each of them. For most keys,
// which have few, there is nothing quicker.

/** So few values are compared each with each. */
const COMPARE_ROWS_MAX = 64;

const moments = new Moments();

/** Valid until the next call. */
export function scanMoments(log: EventLog, field: number, from: number, to: number): Moments {
  moments.clear();
  for (let row = from; row < to; row++) moments.add(log.fieldAt(row, field));
  return moments;
}

export function scanMinimum(log: EventLog, field: number, from: number, to: number): number {
  let minimum = Number.POSITIVE_INFINITY;
  for (let row = from; row < to; row++) minimum = Math.min(minimum, log.fieldAt(row, field));
  return minimum;
}

export function scanMaximum(log: EventLog, field: number, from: number, to: number): number {
  let maximum = Number.NEGATIVE_INFINITY;
  for (let row = from; row < to; row++) maximum = Math.max(maximum, log.fieldAt(row, field));
  return maximum;
}

export function scanCount(log: EventLog, field: number, wanted: number, from: number, to: number): number {
  let count = 0;
  for (let row = from; row < to; row++) if (log.fieldAt(row, field) === wanted) count += 1;
  return count;
}

/** The k-th smallest value, counted from 0. */
export function scanRank(log: EventLog, field: number, rank: number, from: number, to: number): number {
  const values = new Float64Array(to - from);
  for (let row = from; row < to; row++) values[row - from] = log.fieldAt(row, field);
  return values.sort()[rank] ?? Number.NaN;
}

/** Exact up to so many different values; beyond them the estimate of a HyperLogLog of all rows. */
export function scanDistinct(log: EventLog, field: number, from: number, to: number, exactMax: number): number {
  if (to - from <= Math.min(COMPARE_ROWS_MAX, exactMax)) return compareAll(log, field, from, to);
  const seen = new Set<number>();
  for (let row = from; row < to && seen.size <= exactMax; row++) seen.add(log.fieldAt(row, field));
  if (seen.size <= exactMax) return seen.size;
  const sketch = new HyperLogLog();
  for (let row = from; row < to; row++) sketch.add(log.fieldAt(row, field));
  return sketch.count();
}

function compareAll(log: EventLog, field: number, from: number, to: number): number {
  let distinct = 0;
  for (let row = from; row < to; row++) {
    const value = log.fieldAt(row, field);
    let earlier = from;
    while (earlier < row && log.fieldAt(earlier, field) !== value) earlier += 1;
    if (earlier === row) distinct += 1;
  }
  return distinct;
}
