import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Rule } from '@millrace/contracts';
import fc from 'fast-check';
import { compileRules, decide } from '../src/index.ts';

const always = (id: string, weight: number): Rule => ({
  id,
  version: 3,
  name: id,
  reason: `${id} says so`,
  weight,
  enabled: true,
  when: { feature: 'amount', op: 'gte', value: 0 },
});
const verdictOf = (...weights: number[]) => {
  const { decision, score } = decide({ amount: 1 }, compileRules(weights.map((weight, n) => always(`r-${n}`, weight))));
  return [decision, score];
};

test('weights combine as independent doubts', () => {
  assert.deepEqual(verdictOf(), ['approve', 0]);
  assert.deepEqual(verdictOf(300), ['approve', 300]);
  assert.deepEqual(verdictOf(500, 500), ['review', 750]);
  assert.deepEqual(verdictOf(600, 500, 300), ['decline', 860]);
  assert.deepEqual(verdictOf(1_000, 10), ['decline', 1_000]);
});

test('the thresholds belong to the decision above them', () => {
  assert.deepEqual(verdictOf(499), ['approve', 499]);
  assert.deepEqual(verdictOf(500), ['review', 500]);
  assert.deepEqual(verdictOf(849), ['review', 849]);
  assert.deepEqual(verdictOf(850), ['decline', 850]);
});

test('a rule that fired is named with version, reason, weight and the values that it looked at', () => {
  const rule: Rule = {
    ...always('r', 400),
    when: {
      all: [{ feature: 'amount', op: 'gt', value: 10 }, { not: { feature: 'channel', op: 'eq', value: 'pos' } }],
    },
  };
  const { rules } = decide({ amount: 12.5, channel: 'atm', mcc: '6011' }, compileRules([rule]));
  assert.deepEqual(rules, [
    { id: 'r', version: 3, reason: 'r says so', weight: 400, values: { amount: 12.5, channel: 'atm' } },
  ]);
});

test('the decision does not depend on the order of the rules', (t) => {
  const seed = Number(process.env.SEED ?? 20_260_113);
  t.diagnostic(`seed ${seed}`);
  const weights = fc.array(fc.integer({ min: 0, max: 1_000 }), { maxLength: 12 });
  const property = fc.property(weights, fc.array(fc.nat(), { minLength: 12, maxLength: 12 }), (numbers, keys) => {
    const rules = numbers.map((weight, n) => always(`r-${n}`, weight));
    const shuffled = rules
      .map((rule, n) => ({ rule, key: keys[n] ?? 0 }))
      .sort((a, b) => a.key - b.key)
      .map(({ rule }) => rule);
    assert.deepEqual(decide({ amount: 1 }, compileRules(shuffled)), decide({ amount: 1 }, compileRules(rules)));
  });
  fc.assert(property, { seed, numRuns: 200 });
});
