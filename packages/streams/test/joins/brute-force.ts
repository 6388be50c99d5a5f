import fc from 'fast-check';
import type { JoinKind } from '../../src/joins/join-store.ts';

export const BEFORE_MS = 30;
export const AFTER_MS = 50;
export const GRACE_MS = 40;

export interface Event {
  readonly id: number;
  readonly side: 'left' | 'right';
  readonly key: string;
  readonly atMs: number;
  /** The store is thrown away before this event and rebuilt from its changelog. */
  readonly restart: boolean;
}

// Time moves on, now and then by much more than a window; some events are behind, of them some by more than grace.
export const someEvents = fc
  .array(
    fc.record({
      side: fc.constantFrom('left' as const, 'right' as const),
      key: fc.constantFrom('a', 'b', 'with\0zero'),
      step: fc.oneof({ weight: 12, arbitrary: fc.integer({ min: 0, max: 15 }) }, fc.integer({ min: 0, max: 500 })),
      behind: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 60 })),
      restart: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
    { maxLength: 150 },
  )
  .map((steps) => {
    let now = -200;
    return steps.map(({ side, key, step, behind, restart }, id): Event => {
      now += step;
      return { id, side, key, atMs: now - behind, restart };
    });
  });

/** Left and right of a result, by the ids of their events; null where there is none. */
export type Result = readonly [left: number | null, right: number | null];

/** All pairs of events that were in time, and of the others those that the kind of the join lets through. */
export function bruteForce(events: readonly Event[], kind: JoinKind): { results: Result[]; late: number[] } {
  const late: number[] = [];
  const inTime: Event[] = [];
  let streamTimeMs = Number.NEGATIVE_INFINITY;
  for (const event of events) {
    streamTimeMs = Math.max(streamTimeMs, event.atMs);
    if (event.atMs < streamTimeMs - GRACE_MS) late.push(event.id);
    else inTime.push(event);
  }
  const results: Result[] = [];
  for (const left of inTime.filter(({ side }) => side === 'left'))
    for (const right of inTime.filter(({ side }) => side === 'right'))
      if (left.key === right.key && right.atMs >= left.atMs - BEFORE_MS && right.atMs <= left.atMs + AFTER_MS)
        results.push([left.id, right.id]);
  const paired = new Set(results.flat());
  for (const { id, side } of inTime) {
    if (paired.has(id)) continue;
    if (side === 'left' && kind !== 'inner') results.push([id, null]);
    if (side === 'right' && kind === 'outer') results.push([null, id]);
  }
  return { results, late };
}

export const sorted = (results: readonly Result[]): Result[] =>
  [...results].sort(([a, b], [c, d]) => (a ?? -1) - (c ?? -1) || (b ?? -1) - (d ?? -1));
