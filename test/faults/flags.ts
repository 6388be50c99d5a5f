import { parseArgs } from 'node:util';
import { SEED_MAX, wholeNumber } from '@millrace/test-platform';

export interface DrillFlags {
  /** Rounds of the long form; undefined for the short one. */
  readonly rounds: number | undefined;
  readonly seed: number;
  readonly json: boolean;
}

const USAGE = `usage: npm run test:faults -- [--rounds N] [--seed N] [--json]
  (no --rounds)   one round of each kind of fault: about 4 minutes
  --rounds N      the long form: N rounds of faults drawn by chance, some of which meet; a minute or two each
  --seed N        draw as the drill with this seed did
  --json          the result as one JSON object in the last line`;

const ROUNDS_MAX = 10_000;

/** Undefined after a wrong flag, which has then been explained. */
export function readFlags(args: readonly string[]): DrillFlags | undefined {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({ args: [...args], options: { rounds: text, seed: text, json: { type: 'boolean' } } });
    return {
      rounds: values.rounds === undefined ? undefined : wholeNumber('--rounds', values.rounds, 1, ROUNDS_MAX),
      seed: values.seed === undefined ? Date.now() % 1_000_000 : wholeNumber('--seed', values.seed, 0, SEED_MAX),
      json: values.json ?? false,
    };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    return undefined;
  }
}
