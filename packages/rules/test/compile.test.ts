import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition, Rule } from '@millrace/contracts';
import { compileRules, findFaults, RULES_MAX, RulesError } from '../src/index.ts';

const rule = (when: unknown, fields: Partial<Rule> = {}): Rule => ({
  id: 'r-1',
  version: 1,
  name: 'a rule',
  reason: 'because',
  weight: 500,
  enabled: true,
  when: when as Condition,
  ...fields,
});
const LARGE = { feature: 'amount', op: 'gt', value: 100 };
const holds = (when: unknown, facts: Record<string, number | string | undefined>) =>
  compileRules([rule(when)]).rules[0]?.holds(facts);
const faultsOf = (when: unknown) => findFaults(rule(when)).map(({ code, path }) => [code, path]);

test('every operator compares as its name says', () => {
  const amounts = [99, 100, 101];
  const outcomes = (op: string) => amounts.map((amount) => holds({ feature: 'amount', op, value: 100 }, { amount }));
  assert.deepEqual(outcomes('gt'), [false, false, true]);
  assert.deepEqual(outcomes('gte'), [false, true, true]);
  assert.deepEqual(outcomes('lt'), [true, false, false]);
  assert.deepEqual(outcomes('lte'), [true, true, false]);
  assert.deepEqual(outcomes('eq'), [false, true, false]);
  assert.deepEqual(outcomes('ne'), [true, false, true]);
  assert.equal(holds({ feature: 'country', op: 'in', value: ['PT', 'ES'] }, { country: 'ES' }), true);
  assert.equal(holds({ feature: 'country', op: 'in', value: ['PT', 'ES'] }, { country: 'FR' }), false);
});

test('flags are written as true and false and kept as 1 and 0', () => {
  assert.equal(holds({ feature: 'first_time', op: 'eq', value: true }, { first_time: 1 }), true);
  assert.equal(holds({ feature: 'first_time', op: 'eq', value: true }, { first_time: 0 }), false);
  assert.equal(holds({ feature: 'first_time', op: 'ne', value: false }, { first_time: 1 }), true);
});

test('a comparison with an absent feature does not hold, whatever the operator', () => {
  for (const op of ['gt', 'gte', 'lt', 'lte', 'eq', 'ne'])
    assert.equal(holds({ feature: 'amount', op, value: 0 }, {}), false);
  assert.equal(holds({ feature: 'country', op: 'in', value: ['PT'] }, { country: undefined }), false);
  assert.equal(holds({ not: LARGE }, {}), true);
});

test('all, any and not join conditions', () => {
  const when = {
    all: [
      LARGE,
      { any: [{ feature: 'channel', op: 'eq', value: 'atm' }, { not: { feature: 'mcc', op: 'eq', value: '5411' } }] },
    ],
  };
  assert.equal(holds(when, { amount: 200, channel: 'atm', mcc: '5411' }), true);
  assert.equal(holds(when, { amount: 200, channel: 'pos', mcc: '5411' }), false);
  assert.equal(holds(when, { amount: 200, channel: 'pos', mcc: '6011' }), true);
  assert.equal(holds(when, { amount: 50, channel: 'atm', mcc: '6011' }), false);
});

test('each kind of fault has its code and the path to where it is', () => {
  assert.deepEqual(faultsOf({ feature: 'amuont', op: 'gt', value: 1 }), [['unknown-feature', 'when.feature']]);
  assert.deepEqual(faultsOf({ feature: 'toString', op: 'gt', value: 1 }), [['unknown-feature', 'when.feature']]);
  assert.deepEqual(faultsOf({ feature: 'amount', op: 'like', value: 1 }), [['unknown-operator', 'when.op']]);
  assert.deepEqual(faultsOf({ all: [LARGE, { not: { feature: 'amount', op: 'gt', value: '1' } }] }), [
    ['wrong-type', 'when.all.1.not.value'],
  ]);
  assert.deepEqual(faultsOf({ feature: 'amount', op: 'gt', value: Number.NaN }), [['wrong-type', 'when.value']]);
  assert.deepEqual(faultsOf({ feature: 'channel', op: 'gt', value: 'pos' }), [['wrong-type', 'when.op']]);
  assert.deepEqual(faultsOf({ feature: 'first_time', op: 'eq', value: 1 }), [['wrong-type', 'when.value']]);
  assert.deepEqual(faultsOf({ feature: 'first_time', op: 'in', value: [true] }), [['wrong-type', 'when.value']]);
  assert.deepEqual(faultsOf({ feature: 'country', op: 'in', value: ['PT', 1] }), [['wrong-type', 'when.value']]);
  assert.deepEqual(faultsOf({ all: [] }), [['invalid-condition', 'when.all']]);
  assert.deepEqual(faultsOf({ any: 'x' }), [['invalid-condition', 'when.any']]);
  assert.deepEqual(faultsOf({ not: null }), [['invalid-condition', 'when.not']]);
  assert.deepEqual(faultsOf({}), [['invalid-condition', 'when']]);
});

test('a condition nested without end is refused', () => {
  let when: unknown = LARGE;
  for (let depth = 0; depth < 10_000; depth++) when = { not: when };
  assert.deepEqual(
    findFaults(rule(when)).map(({ code }) => code),
    ['too-complex'],
  );
});

test('all faults of all rules are reported in one error, whose message names each', () => {
  const rules = [
    rule(LARGE, { weight: 1_001 }),
    rule({ feature: 'nope', op: 'eq', value: 1 }),
    rule(LARGE, { id: 'r-2', weight: Number.NaN }),
  ];
  assert.throws(
    () => compileRules(rules, { review: 900, decline: 800 }),
    (error) => {
      assert.ok(error instanceof RulesError);
      assert.deepEqual(
        error.faults.map(({ code, ruleId }) => [code, ruleId]),
        [
          ['invalid-thresholds', ''],
          ['duplicate-id', 'r-1'],
          ['weight-out-of-range', 'r-1'],
          ['unknown-feature', 'r-1'],
          ['weight-out-of-range', 'r-2'],
        ],
      );
      assert.match(
        error.message,
        /r-1 weight: 1001 is not a weight: 0 to 1000; r-1 when\.feature: there is no feature nope/,
      );
      return true;
    },
  );
});

test('there is a limit on the number of rules', () => {
  const many = Array.from({ length: RULES_MAX + 1 }, (_, n) => rule(LARGE, { id: `r-${n}` }));
  assert.throws(() => compileRules(many), { code: 'too-complex' });
});

test('a disabled rule is checked and does not decide', () => {
  assert.equal(compileRules([rule(LARGE, { enabled: false })]).rules.length, 0);
  assert.throws(() => compileRules([rule({ feature: 'nope' }, { enabled: false })]), RulesError);
});

test('the hash is that of what decides: not of order, nor of when a rule was written', () => {
  const a = rule(LARGE);
  const b = rule({ value: 5, op: 'lt', feature: 'amount' }, { id: 'r-2', updated_at: 1_700_000_000_000 });
  const { hash } = compileRules([a, b]);
  assert.match(hash, /^[0-9a-f]{16}$/);
  const reordered = {
    when: { feature: 'amount', op: 'lt', value: 5 } as Condition,
    enabled: true,
    weight: 500,
    reason: 'because',
    name: 'a rule',
    version: 1,
    id: 'r-2',
  };
  assert.equal(compileRules([reordered, a]).hash, hash);
  assert.equal(compileRules([a, b, rule(LARGE, { id: 'off', enabled: false })]).hash, hash);
  assert.notEqual(compileRules([a]).hash, hash);
  assert.notEqual(compileRules([a, { ...b, weight: 501 }]).hash, hash);
  assert.notEqual(compileRules([a, b], { review: 499, decline: 850 }).hash, hash);
});
