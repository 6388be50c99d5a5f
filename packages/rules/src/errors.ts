export type RuleFaultCode =
  | 'unknown-feature' // no feature has this name
  | 'wrong-type' // the value or the operator does not fit the feature
  | 'unknown-operator'
  | 'invalid-condition' // not a comparison, nor one of all, any, not
  | 'too-complex' // nested too deep, or too many rules
  | 'weight-out-of-range'
  | 'duplicate-id'
  | 'invalid-thresholds';

/** One thing that is wrong with a rule set. `path` leads to it: `when.all.0.value`. */
export interface RuleFault {
  readonly code: RuleFaultCode;
  /** Empty when the fault is in the rule set as a whole. */
  readonly ruleId: string;
  readonly path: string;
  /** What is wrong and what would be right, in a sentence. */
  readonly message: string;
}

/** The one error of this package: rules that cannot be used, with all their faults. `code` is that of the first. */
export class RulesError extends Error {
  readonly code: RuleFaultCode;
  readonly faults: readonly RuleFault[];
  readonly retriable = false;

  constructor(faults: readonly [RuleFault, ...RuleFault[]], options?: ErrorOptions) {
    super(
      faults.map(({ ruleId, path, message }) => `${[ruleId, path].filter(Boolean).join(' ')}: ${message}`).join('; '),
      options,
    );
    this.name = 'RulesError';
    this.code = faults[0].code;
    this.faults = faults;
  }
}
