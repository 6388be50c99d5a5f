import type { TestContext } from 'node:test';
import fc from 'fast-check';

/** Runs a property with a new seed each time, and prints it: `{ seed }` runs the same cases again. */
export function holds<T>(
  context: TestContext,
  property: fc.IProperty<T>,
  { runs = 1_000, seed = Date.now() % 2 ** 31 }: { runs?: number; seed?: number } = {},
): void {
  context.diagnostic(`seed ${seed}`);
  fc.assert(property, { numRuns: runs, seed });
}
