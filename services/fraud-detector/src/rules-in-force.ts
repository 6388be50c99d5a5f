import type { Rule } from '@millrace/contracts';
import { BUILT_IN_RULES, compileRules, findFaults, RULES_MAX, type RuleFault, type RuleSet } from '@millrace/rules';

/** The rules of the topic, as the stream runtime holds them. */
export interface RuleTable {
  values(): Iterable<Rule>;
  /** Grows with every change. */
  readonly version: number;
}

/**
 * The rules that decide now: the built-in ones, each until a rule with its id comes from the topic, and what else is
 * there. Compiled again only when the topic has changed. A rule that cannot be used is reported and left out, so the
 * built-in one of its id goes on; over `RULES_MAX` those whose ids come last are left out.
 */
export function createRulesInForce(onFaults: (faults: readonly RuleFault[]) => void): (table: RuleTable) => RuleSet {
  let version = -1;
  let compiled: RuleSet | undefined;
  return (table) => {
    if (compiled !== undefined && table.version === version) return compiled;
    const faults: RuleFault[] = [];
    const rules = new Map(BUILT_IN_RULES.map((rule) => [rule.id, rule]));
    for (const rule of table.values()) {
      const found = findFaults(rule);
      if (found.length === 0) rules.set(rule.id, rule);
      faults.push(...found);
    }
    const inOrder = [...rules.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    for (const { id } of inOrder.splice(RULES_MAX)) {
      faults.push({ code: 'too-complex', ruleId: id, path: '', message: `there are more than ${RULES_MAX} rules` });
    }
    onFaults(faults);
    version = table.version;
    compiled = compileRules(inOrder);
    return compiled;
  };
}
