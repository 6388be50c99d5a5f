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

/** What may stand in the place of any part of a record. */
export const odd = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom('', 'x', 'PT', 'EUR', '2026-03-01', 0, -1, 1.5, 2 ** 53, 1e300, null, true, [], {}),
  fc.dictionary(fc.constantFrom('a', '__proto__', 'constructor', 'ok name', '\u0000', 'x'.repeat(65)), fc.jsonValue()),
  fc.constant(Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`f${index}`, index]))),
);

/** All places in a value, as paths of keys. */
export function places(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [[...path]];
  return [[...path], ...Object.entries(value).flatMap(([key, part]) => places(part, [...path, key]))];
}

/** A copy of the value with one place replaced, a key added next to it, or the place removed. */
export function changed(
  value: unknown,
  path: readonly string[],
  by: unknown,
  how: 'replace' | 'remove' | 'add',
): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return how === 'replace' ? by : value;
  const copy: Record<string, unknown> = { ...(value as Record<string, unknown>) };
  if (rest.length > 0) copy[key] = changed(copy[key], rest, by, how);
  else if (how === 'remove') delete copy[key];
  else if (how === 'add') copy[`${key}_more`] = by;
  else copy[key] = by;
  return Array.isArray(value) ? Object.values(copy) : copy;
}
