import { COMPARISONS, type Rule, SCORE_MAX } from '@millrace/contracts';
import type { RuleFault, RuleFaultCode } from './errors.ts';
import { FEATURES, type Feature } from './features.ts';

type Features = Readonly<Record<string, Feature>>;
type Fault = readonly [code: RuleFaultCode, path: string, message: string];

const DEPTH_MAX = 16;
const TYPES = { number: 'number', flag: 'boolean', text: 'string' } as const;

/** What is wrong with one rule by itself; an empty list when it can be used. */
export function findFaults(rule: Rule, features: Features = FEATURES): RuleFault[] {
  const faults: Fault[] = [...conditionFaults(rule.when, 'when', features, 1)];
  if (!(rule.weight >= 0 && rule.weight <= SCORE_MAX)) {
    faults.unshift(['weight-out-of-range', 'weight', `${rule.weight} is not a weight: 0 to ${SCORE_MAX}`]);
  }
  return faults.map(([code, path, message]) => ({ code, ruleId: rule.id, path, message }));
}

/** Rules are data from outside: nothing about their form is taken for granted. */
function* conditionFaults(condition: unknown, path: string, features: Features, depth: number): Generator<Fault> {
  if (depth > DEPTH_MAX) {
    yield ['too-complex', path, `nested more than ${DEPTH_MAX} deep`];
  } else if (typeof condition !== 'object' || condition === null) {
    yield ['invalid-condition', path, 'must be an object: all, any, not, or feature with op and value'];
  } else if ('all' in condition) {
    yield* listFaults(condition.all, `${path}.all`, features, depth);
  } else if ('any' in condition) {
    yield* listFaults(condition.any, `${path}.any`, features, depth);
  } else if ('not' in condition) {
    yield* conditionFaults(condition.not, `${path}.not`, features, depth + 1);
  } else {
    yield* comparisonFaults(condition, path, features);
  }
}

function* listFaults(parts: unknown, path: string, features: Features, depth: number): Generator<Fault> {
  if (!Array.isArray(parts) || parts.length === 0) {
    yield ['invalid-condition', path, 'must be a list of at least one condition'];
    return;
  }
  for (const [index, part] of parts.entries()) yield* conditionFaults(part, `${path}.${index}`, features, depth + 1);
}

function* comparisonFaults(
  comparison: { readonly feature?: unknown; readonly op?: unknown; readonly value?: unknown },
  path: string,
  features: Features,
): Generator<Fault> {
  const { feature: name, op, value } = comparison;
  if (typeof name !== 'string') {
    yield ['invalid-condition', path, 'has none of all, any, not, feature'];
    return;
  }
  const kind = Object.hasOwn(features, name) ? features[name]?.kind : undefined;
  if (kind === undefined) {
    yield ['unknown-feature', `${path}.feature`, `there is no feature ${name}`];
    return;
  }
  if (op === 'in') {
    const fits = kind !== 'flag' && Array.isArray(value) && value.every((one) => fitsKind(one, kind));
    if (!fits)
      yield ['wrong-type', `${path}.value`, `${name} is a ${kind}; "in" needs a list of numbers or texts like it`];
  } else if (!COMPARISONS.some((known) => known === op)) {
    yield ['unknown-operator', `${path}.op`, `${String(op)} is none of ${[...COMPARISONS, 'in'].join(', ')}`];
  } else if (kind !== 'number' && op !== 'eq' && op !== 'ne') {
    yield ['wrong-type', `${path}.op`, `${name} is a ${kind}, which has no order; use eq or ne`];
  } else if (!fitsKind(value, kind)) {
    yield ['wrong-type', `${path}.value`, `${name} is a ${kind}; the value must be a ${TYPES[kind]}`];
  }
}

function fitsKind(value: unknown, kind: Feature['kind']): boolean {
  return kind === 'number' ? Number.isFinite(value) : typeof value === TYPES[kind];
}
