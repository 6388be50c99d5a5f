import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTestDriver, streamBuilder, type TestDriver } from '../../src/index.ts';
import type { JoinKind } from '../../src/joins/join-store.ts';
import { AFTER_MS, BEFORE_MS, bruteForce, GRACE_MS, type Result, someEvents, sorted } from '../joins/brute-force.ts';
import { type Happened, happenedTopic } from '../support/happened.ts';

const left = happenedTopic('left');
const right = happenedTopic('right');
const paired = happenedTopic<Omit<Happened, 'amount'> & { readonly pair: Result }>('paired');
const lateLeft = happenedTopic('late-left');
const lateRight = happenedTopic('late-right');

function createDriver(kind: JoinKind): TestDriver {
  const builder = streamBuilder('test');
  const stage = builder.stage('pairs', { graceMs: GRACE_MS, onError: 'stop' });
  const joined = stage
    .stream(left)
    .joinWindow(
      stage.stream(right),
      { name: 'waiting', kind, beforeMs: BEFORE_MS, afterMs: AFTER_MS, eventsPerKeyMax: 1_000, keysMax: 100 },
      (l: Happened | undefined, r: Happened | undefined) => {
        const { key = '', atMs = 0 } = l ?? r ?? {};
        return { id: `${l?.id}+${r?.id}`, key, atMs, pair: [l?.amount ?? null, r?.amount ?? null] as const };
      },
    );
  joined.to(paired);
  joined.late.left.to(lateLeft);
  joined.late.right.to(lateRight);
  return createTestDriver(builder.build());
}

for (const kind of ['inner', 'left', 'outer'] as const) {
  test(`${kind}: results and late events are those of brute force, whatever restarts there are`, () => {
    fc.assert(
      fc.property(someEvents, (events) => {
        const driver = createDriver(kind);
        for (const { id, side, key, atMs, restart } of events) {
          if (restart) driver.restart();
          driver.pipe(side, { value: { id: `${side}${id}`, key, atMs, amount: id } });
        }
        driver.advanceTo(1_000_000);
        const { results, late } = bruteForce(events, kind);
        const pairs = driver.output<{ pair: Result }>(paired.name).map(({ pair }) => pair);
        assert.deepEqual(sorted(pairs), sorted(results));
        const dropped = [...driver.output<Happened>(lateLeft.name), ...driver.output<Happened>(lateRight.name)];
        assert.deepEqual(
          dropped.map(({ amount }) => amount).sort((a, b) => a - b),
          late,
        );
      }),
    );
  });
}

test('a stream joined with itself pairs events with each other and each with itself', () => {
  const builder = streamBuilder('test');
  const stream = builder.stage('pairs', { graceMs: 0, onError: 'stop' }).stream(left);
  const options = { name: 'self', kind: 'inner', beforeMs: 5, afterMs: 5, eventsPerKeyMax: 10, keysMax: 10 } as const;
  stream
    .joinWindow(stream, options, (l, r) => ({ id: '', key: l.key, atMs: l.atMs, pair: [l.amount, r.amount] as const }))
    .to(paired);
  const driver = createTestDriver(builder.build());
  driver.pipe('left', { value: { id: 'e1', key: 'a', atMs: 10, amount: 1 } });
  driver.pipe('left', { value: { id: 'e2', key: 'a', atMs: 12, amount: 2 } });
  const pairs = driver.output<{ pair: Result }>(paired.name).map(({ pair }) => pair);
  assert.deepEqual(sorted(pairs), [
    [1, 1],
    [1, 2],
    [2, 1],
    [2, 2],
  ]);
});

test('TypeScript knows which side of a join may be missing', () => {
  const stage = streamBuilder('types').stage('stage', { graceMs: 0, onError: 'stop' });
  const limits = { beforeMs: 1, afterMs: 1, eventsPerKeyMax: 1, keysMax: 1 };
  const join = <K extends JoinKind>(kind: K) => ({ ...limits, name: kind, kind });
  const [one, other] = [stage.stream(left), stage.stream(right)];
  one.joinWindow(other, join('inner'), (l, r) => l.amount + r.amount);
  // @ts-expect-error: the right side may be missing
  one.joinWindow(other, join('left'), (l, r) => l.amount + r.amount);
  // @ts-expect-error: the left side may be missing
  one.joinWindow(other, join('outer'), (l, r) => l.amount + (r?.amount ?? 0));
});
