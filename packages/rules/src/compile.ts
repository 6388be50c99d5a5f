import { type Condition, RULES_FIRED_MAX, type Rule, SCORE_MAX } from '@millrace/contracts';
import { findFaults } from './check-rule.ts';
import { type RuleFault, RulesError } from './errors.ts';
import { FEATURES, type Feature } from './features.ts';
import { fingerprint } from './hash.ts';

export type Scalar = number | string | boolean;
/** What rules look at: features by name; a missing one does not apply. Flags are 1 or 0. */
export type Facts = Readonly<Record<string, Scalar | undefined>>;

/** Scores, 0 to 1000, from which on a payment is looked at by a person, or declined. */
export interface Thresholds {
  readonly review: number;
  readonly decline: number;
}
export const THRESHOLDS: Thresholds = { review: 500, decline: 850 };

export interface CompiledRule {
  readonly rule: Rule;
  /** Names of the features that it looks at, in the order of the condition. */
  readonly features: readonly string[];
  readonly holds: (facts: Facts) => boolean;
}

/** Rules that have been checked and are ready to decide, in the order of their ids. */
export interface RuleSet {
  readonly rules: readonly CompiledRule[];
  readonly thresholds: Thresholds;
  /** Names exactly these enabled rules with these thresholds: 16 hexadecimal digits. */
  readonly hash: string;
}

/** All of them may fire at once, and a decision names each. */
export const RULES_MAX = RULES_FIRED_MAX;

/**
 * Checks rules and makes predicates of them. Disabled rules are checked too, and left out.
 * @throws {RulesError} with every fault of every rule.
 */
export function compileRules(
  rules: readonly Rule[],
  thresholds: Thresholds = THRESHOLDS,
  features: Readonly<Record<string, Feature>> = FEATURES,
): RuleSet {
  const faults = [...setFaults(rules, thresholds), ...rules.flatMap((rule) => findFaults(rule, features))];
  const [first, ...others] = faults;
  if (first !== undefined) throw new RulesError([first, ...others]);
  const enabled = rules.filter((rule) => rule.enabled).sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    rules: enabled.map((rule) => ({ rule, features: [...new Set(featuresOf(rule.when))], holds: compile(rule.when) })),
    thresholds,
    hash: fingerprint(canonical({ thresholds, rules: enabled.map(({ updated_at: _, ...decides }) => decides) })),
  };
}

function setFaults(rules: readonly Rule[], { review, decline }: Thresholds): RuleFault[] {
  const faults: RuleFault[] = [];
  if (!(review > 0 && review <= decline && decline <= SCORE_MAX)) {
    const message = `review ${review}, decline ${decline}: must be 0 < review <= decline <= ${SCORE_MAX}`;
    faults.push({ code: 'invalid-thresholds', ruleId: '', path: 'thresholds', message });
  }
  if (rules.length > RULES_MAX) {
    faults.push({ code: 'too-complex', ruleId: '', path: '', message: `${rules.length} rules; at most ${RULES_MAX}` });
  }
  const ids = new Set<string>();
  for (const { id } of rules) {
    if (ids.has(id)) faults.push({ code: 'duplicate-id', ruleId: id, path: 'id', message: 'another rule has this id' });
    ids.add(id);
  }
  return faults;
}

function compile(condition: Condition): (facts: Facts) => boolean {
  if ('all' in condition) {
    const parts = condition.all.map(compile);
    return (facts) => parts.every((holds) => holds(facts));
  }
  if ('any' in condition) {
    const parts = condition.any.map(compile);
    return (facts) => parts.some((holds) => holds(facts));
  }
  if ('not' in condition) {
    const holds = compile(condition.not);
    return (facts) => !holds(facts);
  }
  return compileComparison(condition);
}

/** A comparison with a feature that does not apply does not hold, whatever the operator. */
function compileComparison(comparison: Extract<Condition, { feature: string }>): (facts: Facts) => boolean {
  const { feature } = comparison;
  if (comparison.op === 'in') {
    const values: ReadonlySet<Scalar> = new Set<Scalar>(comparison.value);
    return (facts) => {
      const fact = facts[feature];
      return fact !== undefined && values.has(fact);
    };
  }
  // Flags are 1 or 0 among the facts.
  const value = typeof comparison.value === 'boolean' ? Number(comparison.value) : comparison.value;
  const compare = {
    eq: (fact: Scalar) => fact === value,
    ne: (fact: Scalar) => fact !== value,
    gt: (fact: Scalar) => fact > value,
    gte: (fact: Scalar) => fact >= value,
    lt: (fact: Scalar) => fact < value,
    lte: (fact: Scalar) => fact <= value,
  }[comparison.op];
  return (facts) => {
    const fact = facts[feature];
    return fact !== undefined && compare(fact);
  };
}

function featuresOf(condition: Condition): string[] {
  if ('all' in condition) return condition.all.flatMap(featuresOf);
  if ('any' in condition) return condition.any.flatMap(featuresOf);
  if ('not' in condition) return featuresOf(condition.not);
  return [condition.feature];
}

/** JSON with the keys of every object in order: the same rules give the same text whoever wrote them down. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
