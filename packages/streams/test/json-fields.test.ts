import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonFields, StreamsError } from '../src/index.ts';
import { RecentTexts } from '../src/recent-texts.ts';

const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31);
console.log(`seed ${SEED}`);

const read = jsonFields({
  id: 'string',
  atMs: 'number',
  amount: 'number',
  ok: 'boolean',
  note: 'string?',
  rate: 'number?',
});
const bytesOf = (text: string) => new TextEncoder().encode(text);
const undecodable = (message: RegExp) => (error: unknown) =>
  error instanceof StreamsError && error.code === 'undecodable' && message.test(error.message);

/** What a plain program would do with the same text. */
function expected(text: string): unknown {
  const all = JSON.parse(text);
  if (typeof all !== 'object' || all === null || Array.isArray(all)) return 'refused';
  const kinds = { id: 'string', atMs: 'number', amount: 'number', ok: 'boolean', note: 'string', rate: 'number' };
  const found: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(kinds)) {
    const value = Object.hasOwn(all, name) ? all[name] : undefined;
    const optional = name === 'note' || name === 'rate';
    if (typeof value === kind) found[name] = value;
    else if (optional && (value === undefined || value === null)) found[name] = undefined;
    else return 'refused';
  }
  return found;
}

function actual(text: string): unknown {
  try {
    return { ...read(bytesOf(text)) };
  } catch (error) {
    assert.ok(error instanceof StreamsError && error.code === 'undecodable', String(error));
    return 'refused';
  }
}

const number = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -99_999_999, max: 99_999_999 }).map((cents) => cents / 100),
);
const string = fc.oneof(
  fc.string(),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('card-00001', 'a"b', '\\', '\u0001'),
);
const anything = fc.oneof(string, number, fc.boolean(), fc.constant(null), fc.jsonValue({ maxDepth: 2 }));
const wanted = fc.record(
  { id: string, atMs: number, amount: number, ok: fc.boolean(), note: fc.option(string), rate: fc.option(number) },
  { requiredKeys: ['id', 'atMs', 'amount', 'ok'] },
);
const others = fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('idx', 'a', '', 'amount2', '__proto__')), anything, {
  maxKeys: 5,
});
const layout = fc.constantFrom(undefined, 1, '\t');

/** Members of both in any order, and some records of one shape after another, as they come in a topic. */
const objects = fc.tuple(wanted, others, fc.infiniteStream(fc.nat()), layout).map(([fields, rest, order, indent]) => {
  const members = [...Object.entries(rest).filter(([name]) => !(name in fields)), ...Object.entries(fields)];
  const sorted = members.map((member) => ({ member, at: order.next().value })).sort((a, b) => a.at - b.at);
  return JSON.stringify(Object.fromEntries(sorted.map(({ member }) => member)), null, indent);
});

test('what is read is what JSON.parse gives, for records of any shape one after the other', () => {
  fc.assert(
    fc.property(fc.array(objects, { minLength: 1, maxLength: 6 }), (texts) => {
      for (const text of [...texts, ...texts]) assert.deepEqual(actual(text), expected(text), text);
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test('bytes that are damaged anywhere are read as JSON.parse reads them, or refused', () => {
  const text = '{"id":"card-00001","atMs":1767225600323,"amount":-12.34,"ok":true,"x":null,"rate":0.5,"y":"zz"}';
  const letters = [...'"\\,:{}[] 09-.etnu', '\u0000', '\u00e9'];
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.constantFrom(...letters), fc.nat(2), (at, letter, cut) => {
      const damaged = text.slice(0, at) + letter + text.slice(at + cut);
      let wantedResult: unknown;
      try {
        wantedResult = expected(damaged);
      } catch {
        wantedResult = 'refused'; // not JSON
      }
      assert.deepEqual(actual(text), expected(text));
      assert.deepEqual(actual(damaged), wantedResult, damaged);
    }),
    { seed: SEED, numRuns: 2_000 },
  );
});

test('numbers are exact to the last bit', () => {
  for (const text of [
    '0',
    '-0',
    '0.1',
    '12.34',
    '999999999999999',
    '9007199254740993',
    '0.000001',
    '1e5',
    '1.5E-7',
    '123456789.123456',
    '1234567890.1234567',
    '-0.00',
    '100000000000000.5',
  ]) {
    const { amount } = read(bytesOf(`{"id":"a","atMs":1,"amount":${text},"ok":false}`));
    assert.ok(Object.is(amount, Number(text)), `${text} was read as ${amount}`);
  }
  for (const text of ['01', '.5', '5.', '+1', '1_0', '--1', '-', '1e', '0x10', 'NaN']) {
    assert.throws(() => read(bytesOf(`{"id":"a","atMs":1,"amount":${text},"ok":false}`)), undecodable(/not JSON/));
  }
});

test('of a name that comes twice the last value counts', () => {
  assert.equal(read(bytesOf('{"id":"a","atMs":1,"amount":1,"ok":true,"id":"b"}')).id, 'b');
});

test('what is wrong is said: the field, what it should be and what it is', () => {
  assert.throws(
    () => read(bytesOf('{"id":"a","atMs":1,"ok":true}')),
    undecodable(/amount must be a number; found undefined/),
  );
  assert.throws(
    () => read(bytesOf('{"id":null,"atMs":1,"amount":2,"ok":true}')),
    undecodable(/id must be a string; found null/),
  );
  assert.throws(
    () => read(bytesOf('{"id":"a","atMs":1,"amount":2,"ok":true,"rate":"7"}')),
    undecodable(/rate must be a number; found string/),
  );
  assert.throws(() => read(bytesOf('[1]')), undecodable(/an object is expected|JSON object/));
  assert.throws(() => read(bytesOf('')), undecodable(/not JSON/));
});

test('fields are declared: at least one, and none that JavaScript reads in its own way', () => {
  assert.throws(() => jsonFields({}), /1 to 30 fields/);
  assert.throws(() => jsonFields(JSON.parse('{"__proto__":"string"}')), /__proto__/);
});

test('a text remembered is the same text, whatever took its place meanwhile', () => {
  const texts = new RecentTexts();
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 30 }), { maxLength: 50 }), (list) => {
      for (const text of [...list, ...list]) {
        const bytes = Buffer.from(`..${text}.`);
        assert.equal(texts.read(bytes, 2, bytes.length - 1), text);
      }
    }),
    { seed: SEED },
  );
  for (let i = 0; i < 50_000; i++) {
    const bytes = Buffer.from(`key-${i % 20_000}`);
    assert.equal(texts.read(bytes, 0, bytes.length), `key-${i % 20_000}`);
  }
});
