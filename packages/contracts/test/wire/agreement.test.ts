import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createTopics,
  type Problem,
  parseCustomerSource,
  parseDevice,
  parseLabel,
  parseMerchant,
  parsePayment,
  parseTelemetry,
  type TopicContract,
  WireError,
  type WireOptions,
  wireSamples,
  wireSchemas,
} from '@millrace/contracts';
import fc from 'fast-check';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { changed, holds, odd, places } from '../property.ts';
import { NOW_MS, options } from './parse.ts';

type Parse = (input: unknown, options: WireOptions) => unknown;

const topics = createTopics();
const events: readonly [keyof typeof wireSchemas, Parse, TopicContract<unknown>][] = [
  ['payment', parsePayment, topics.paymentsRaw],
  ['telemetry', parseTelemetry, topics.telemetryRaw],
  ['label', parseLabel, topics.fraudLabels],
  ['customerSource', parseCustomerSource, topics.customersSource.crm],
  ['merchant', parseMerchant, topics.merchants],
  ['device', parseDevice, topics.devices],
];

/** Values that are nearly right somewhere. */
const near = fc.oneof(
  odd,
  fc.constantFrom<unknown>('USD', 'JPY', 'XXX', 'DE', 'ZZ', 'transfer', 'atm', 'declined', 'analyst', '5999', '::1'),
  fc.constantFrom<unknown>(NOW_MS, NOW_MS + 400_000, NOW_MS - 40 * 86_400_000, 5, '2026-03-02T00:00:00+02:00'),
  fc.constantFrom<unknown>(
    '2026-02-30T00:00:00Z',
    '12.505',
    '0',
    89.5,
    -200,
    '4111111111111111',
    '4111 1111 1111 1112',
  ),
);
const how = fc.constantFrom('replace' as const, 'remove' as const, 'add' as const);

/** An event as it arrives: a sample with one or two random changes. */
function eventLike(sample: object): fc.Arbitrary<unknown> {
  const change = fc.tuple(fc.constantFrom(...places(sample)), near, how);
  return fc
    .array(change, { minLength: 1, maxLength: 2 })
    .map((changes) => changes.reduce<unknown>((value, [path, by, kind]) => changed(value, path, by, kind), sample))
    .map((value) => JSON.parse(JSON.stringify(value) ?? 'null') as unknown);
}

/** Problems that JSON Schema has no words for (they are listed in the documentation of the wire schemas). */
function isBeyondSchema({ field, code, message }: Problem): boolean {
  return (
    code === 'in-the-future' ||
    code === 'too-old' ||
    code === 'conflict' ||
    code === 'too-many' ||
    field === 'amount' ||
    (code === 'unknown-value' && (field === 'currency' || field === 'country')) ||
    (code === 'malformed' && /RFC 3339/.test(message)) ||
    (code === 'out-of-range' && /between the years/.test(message)) ||
    (code === 'malformed' && field === 'card_id') ||
    (code === 'forbidden-name' && /card number/.test(message))
  );
}

for (const [name, parse, topic] of events) {
  test(`${name}: what the parser takes, the wire schema takes, and the result the internal schema`, (context) => {
    const wire = Compile(wireSchemas[name] as TSchema);
    let accepted = 0;
    let refused = 0;
    holds(
      context,
      fc.property(eventLike(wireSamples[name]), (input) => {
        try {
          const result = parse(input, options);
          accepted += 1;
          assert.equal(wire.Check(input), true, 'the wire schema refuses what the parser took');
          assert.deepEqual(topic.decode(new TextEncoder().encode(topic.encode(result))), result);
        } catch (error) {
          if (!(error instanceof WireError)) throw error;
          refused += 1;
          if (wire.Check(input))
            assert.deepEqual(
              error.problems.filter((problem) => !isBeyondSchema(problem)),
              [],
            );
        }
      }),
    );
    context.diagnostic(`${accepted} accepted, ${refused} refused`);
    assert.ok(accepted > 50 && refused > 50, 'the cases say nothing');
  });

  test(`${name}: whatever comes in, the parser answers with an event or with a WireError`, (context) => {
    holds(
      context,
      fc.property(fc.oneof(fc.jsonValue(), fc.anything({ withNullPrototype: true, withBigInt: true })), (input) => {
        try {
          parse(input, options);
        } catch (error) {
          assert.ok(error instanceof WireError, String(error));
          assert.ok(error.problems.length > 0);
          assert.ok(error.problems.every(({ message }) => message.length > 0 && message.length < 500));
        }
      }),
    );
  });

  test(`${name}: no answer repeats a card number, wherever it was and however it was written`, (context) => {
    const cardNumber = fc
      .string({ unit: fc.constantFrom(...'0123456789'), minLength: 13, maxLength: 19 })
      .chain((digits) => fc.constantFrom(digits, digits.replace(/(.{4})/g, '$1 '), digits.replace(/(.{4})/g, '$1-')));
    holds(
      context,
      fc.property(fc.constantFrom(...places(wireSamples[name])), cardNumber, fc.boolean(), (path, number, asName) => {
        const by = asName ? { [number]: number } : number;
        const input = changed(wireSamples[name], path, by, 'replace');
        try {
          parse(input, options);
        } catch (error) {
          assert.ok(error instanceof WireError, String(error));
          const answer = JSON.stringify(error.problems) + error.message;
          assert.ok(!answer.includes(number) && !answer.includes(number.slice(0, 13)), answer);
        }
      }),
    );
  });
}
