import assert from 'node:assert/strict';
import { test } from 'node:test';
import { samples, schemas } from '@millrace/contracts';
import fc from 'fast-check';
import { Compile } from 'typebox/compile';
import { compileCheck } from '../src/compile.ts';
import { holds } from './property.ts';

/** What may stand in the place of any part of a record. */
const odd = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom('', 'x', 'PT', 'EUR', '2026-03-01', 0, -1, 1.5, 2 ** 53, 1e300, null, true, [], {}),
  fc.dictionary(fc.constantFrom('a', '__proto__', 'constructor', 'ok name', '\u0000', 'x'.repeat(65)), fc.jsonValue()),
  fc.constant(Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`f${index}`, index]))),
);

/** All places in a value, as paths of keys. */
function places(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [[...path]];
  return [[...path], ...Object.entries(value).flatMap(([key, part]) => places(part, [...path, key]))];
}

/** A copy of the value with one place replaced, a key added next to it, or the place removed. */
function changed(value: unknown, path: readonly string[], by: unknown, how: 'replace' | 'remove' | 'add'): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return how === 'replace' ? by : value;
  const copy: Record<string, unknown> = { ...(value as Record<string, unknown>) };
  if (rest.length > 0) copy[key] = changed(copy[key], rest, by, how);
  else if (how === 'remove') delete copy[key];
  else if (how === 'add') copy[`${key}_more`] = by;
  else copy[key] = by;
  return Array.isArray(value) ? Object.values(copy) : copy;
}

const cases = [
  ['payment.v1', samples.payment],
  ['enriched-payment.v1', samples.enrichedPayment],
  ['telemetry.v1', samples.telemetry],
  ['profile.v1', samples.profile],
  ['customer-source.v1', samples.customerSource],
  ['decision.v1', samples.decision],
  ['rule.v1', samples.rule],
  ['dead-letter.v1', samples.deadLetter],
] as const;
for (const [name, sample] of cases) {
  test(`${name}: our validator and TypeBox's own agree on samples with a random change`, (context) => {
    const ours = compileCheck(schemas[name]);
    const theirs = Compile(schemas[name] as Parameters<typeof Compile>[0]);
    let accepted = 0;
    holds(
      context,
      fc.property(
        fc.constantFrom(...places(sample)),
        odd,
        fc.constantFrom('replace' as const, 'remove' as const, 'add' as const),
        (path, by, how) => {
          const value: unknown = JSON.parse(JSON.stringify(changed(sample, path, by, how)) ?? 'null');
          const verdict = theirs.Check(value);
          if (verdict) accepted += 1;
          assert.equal(ours(value), verdict);
        },
      ),
      { runs: 500 },
    );
    assert.ok(accepted > 0 && accepted < 500, `${accepted} of 500 accepted: the cases say nothing`);
  });
}

test('names that passed are not taken for names that did not, however many there are', () => {
  const check = compileCheck(schemas['telemetry.v1']);
  const reading = (name: string) => ({ ...samples.telemetry, metrics: { [name]: 1 } });
  for (let index = 0; index < 5_000; index += 1) assert.equal(check(reading(`metric-${index}`)), true);
  assert.equal(check(reading('metric 1')), false);
  assert.equal(check(reading('constructor')), false);
  assert.equal(check(reading('metric-4999')), true);
});
