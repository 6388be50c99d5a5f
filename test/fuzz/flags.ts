import { parseArgs } from 'node:util';
import { SEED_MAX, wholeNumber } from '@millrace/test-platform';

export interface FuzzFlags {
  readonly seed: number;
  /** Test cases that schemathesis makes up for each operation, beside those that cover its schema. */
  readonly examples: number;
  /** Names of parts; all of them when it is empty. */
  readonly only: readonly string[];
}

const EXAMPLES_DEFAULT = 40;
const EXAMPLES_MAX = 100_000;

/** Undefined after a wrong flag, which has then been explained. */
export function readFlags(args: readonly string[], parts: readonly string[]): FuzzFlags | undefined {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { seed: text, examples: text, only: { type: 'string', multiple: true } },
    });
    const { seed, examples, only = [] } = values;
    const unknown = only.find((name) => !parts.includes(name));
    if (unknown !== undefined) throw new TypeError(`--only takes one of ${parts.join(', ')}, not "${unknown}"`);
    return {
      seed: seed === undefined ? Date.now() % 1_000_000 : wholeNumber('--seed', seed, 0, SEED_MAX),
      examples: examples === undefined ? EXAMPLES_DEFAULT : wholeNumber('--examples', examples, 1, EXAMPLES_MAX),
      only,
    };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`${error.message}
usage: npm run test:fuzz -- [--seed N] [--examples N] [--only PART]...
  --seed N       makes up what the run with this seed did
  --examples N   test cases per operation of the OpenAPI texts, beside those that cover the schemas (default ${EXAMPLES_DEFAULT})
  --only PART    one of ${parts.join(', ')}; may be given again`);
    return undefined;
  }
}
