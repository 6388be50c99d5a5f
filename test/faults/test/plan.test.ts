import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomOf, SERVICES } from '@millrace/test-platform';
import { longPlan, shortPlan } from '../plan.ts';

const saysOf = (plan: ReturnType<typeof shortPlan>) => plan.map((round) => round.map(({ says }) => says));

test('the same seed draws the same faults, and another one others', () => {
  assert.deepEqual(saysOf(shortPlan(randomOf(3))), saysOf(shortPlan(randomOf(3))));
  assert.deepEqual(saysOf(longPlan(30, randomOf(3))), saysOf(longPlan(30, randomOf(3))));
  assert.notDeepEqual(saysOf(shortPlan(randomOf(3))), saysOf(shortPlan(randomOf(4))));
});

test('the short form has one round of each kind, whatever the seed', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const plan = shortPlan(randomOf(seed));
    assert.ok(plan.every((round) => round.length === 1));
    const says = saysOf(plan).flat();
    for (const service of SERVICES) assert.ok(says.includes(`one process of ${service} is killed`), service);
    for (const part of ['frozen', 'kafka is killed', 'kafka is stopped', 'clickhouse is', 'cut', 'stalled', 'slow']) {
      assert.equal(says.filter((text) => text.includes(part)).length, 1, `${part} in ${says.join('; ')}`);
    }
  }
});

test('the long form has as many rounds as asked for, all kinds of faults, and never two of a kind in one round', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const plan = longPlan(12, randomOf(seed));
    assert.equal(plan.length, 12);
    const kinds = new Set(plan.flat().map(({ kind }) => kind));
    assert.deepEqual([...kinds].sort(), ['broker', 'clickhouse', 'connections', 'freeze', 'kill']);
    for (const [first, second] of plan) assert.notEqual(first?.kind, second?.kind);
  }
});
