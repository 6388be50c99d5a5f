import { type Decision, type FiredRule, SCORE_MAX } from '@millrace/contracts';
import type { Facts, RuleSet, Scalar } from './compile.ts';

export interface Verdict {
  readonly decision: Decision['decision'];
  /** 0 to 1000, an integer. */
  readonly score: number;
  /** What fired, in the order of the rules' ids. */
  readonly rules: FiredRule[];
  readonly rules_hash: string;
}

/**
 * Decides by the rules that hold. Weights are combined as independent doubts ("noisy or"):
 *
 *     score = 1000 * (1 - product over fired rules of (1 - weight / 1000))
 *
 * so that more rules never make a payment look better, two halves are more than either, and the score cannot leave its
 * range. The order of the rules does not matter.
 */
export function decide(facts: Facts, { rules, thresholds, hash }: RuleSet): Verdict {
  const fired: FiredRule[] = [];
  let trust = 1;
  for (const { rule, features, holds } of rules) {
    if (!holds(facts)) continue;
    const { id, version, reason, weight } = rule;
    fired.push({ id, version, reason, weight, values: valuesOf(facts, features) });
    trust *= 1 - weight / SCORE_MAX;
  }
  const score = Math.round(SCORE_MAX * (1 - trust));
  const decision = score >= thresholds.decline ? 'decline' : score >= thresholds.review ? 'review' : 'approve';
  return { decision, score, rules: fired, rules_hash: hash };
}

function valuesOf(facts: Facts, features: readonly string[]): Record<string, Scalar> {
  const values: Record<string, Scalar> = {};
  for (const name of features) {
    const value = facts[name];
    if (value !== undefined) values[name] = value;
  }
  return values;
}
