import assert from 'node:assert/strict';
import { test } from 'node:test';
import { samples, schemas } from '@millrace/contracts';
import fc from 'fast-check';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { compileCheck } from '../src/compile.ts';
import { changed, holds, odd, places } from './property.ts';

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
    const theirs = Compile(schemas[name] as TSchema);
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
