import assert from 'node:assert/strict';
import { AGE_MAX_MS, type Problem, WireError, type WireOptions } from '@millrace/contracts';

/** 2026-03-10T00:00:00Z: nine days after the samples. */
export const NOW_MS = 1_773_100_800_000;

export const options: WireOptions = {
  nowMs: NOW_MS,
  maxAgeMs: AGE_MAX_MS,
  tokenizeCard: (cardNumber) => `token-of-${cardNumber.length}-digits`,
};

/** The problems for which the input is refused. */
export function problemsOf(parse: (input: unknown, options: WireOptions) => unknown, input: unknown): Problem[] {
  try {
    parse(input, options);
  } catch (error) {
    assert.ok(error instanceof WireError, String(error));
    return [...error.problems];
  }
  throw new assert.AssertionError({ message: `accepted: ${JSON.stringify(input)}` });
}

/** `field code` of each problem, in the order in which they are reported. */
export function faultsOf(parse: (input: unknown, options: WireOptions) => unknown, input: unknown): string[] {
  return problemsOf(parse, input).map(({ field, code }) => `${field} ${code}`);
}
