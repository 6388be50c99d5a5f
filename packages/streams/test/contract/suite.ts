import { FAILURE_CASES } from './cases-failures.ts';
import { OPERATOR_CASES } from './cases-operators.ts';
import { RECORD_CASES } from './cases-records.ts';
import { STATE_CASES } from './cases-state.ts';
import { TIME_CASES } from './cases-time.ts';
import type { ContractCase } from './harness.ts';

/** What a topology may rely on, whatever runs it. */
export const CASES: readonly ContractCase[] = [
  ...RECORD_CASES,
  ...STATE_CASES,
  ...TIME_CASES,
  ...OPERATOR_CASES,
  ...FAILURE_CASES,
];
