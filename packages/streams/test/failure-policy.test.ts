import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createTestDriver,
  defineProcessor,
  defineTopology,
  keyValueStore,
  StreamsError,
  type Topic,
} from '../src/index.ts';

const words: Topic<string> = {
  name: 'words',
  schema: 'word.v1',
  decode: (bytes) => {
    const text = Buffer.from(bytes).toString('utf8');
    if (text === '?') throw new Error('not a word');
    return text;
  },
  encode: (value) => value,
  key: (value) => value.slice(0, 1),
  timestampMs: () => 0,
  eventId: (value) => value,
};
const LETTERS_MAX = 900 * 1024;

function createWords(onError: 'dead-letter' | 'stop', onStreamTime: (streamTimeMs: number) => void = () => undefined) {
  const collect = defineProcessor({
    name: 'collect',
    inputs: { word: words },
    stores: {
      texts: keyValueStore<string>({ encode: String, decode: (bytes) => bytes.toString('utf8'), entriesMax: 10 }),
    },
    outputs: {},
    graceMs: 0,
    onError,
    onStreamTime,
    process: { word: (word, { stores, record }) => stores.texts.put(record.key, word) },
  });
  return createTestDriver(defineTopology({ applicationId: 'words', processors: [collect] }));
}
const failsWith = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof StreamsError);
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

test('a processor that says stop ends at a record that cannot be read, and says which one and what would help', () => {
  const driver = createWords('stop');
  driver.pipe('words', { value: 'a' });
  assert.throws(
    () => driver.pipe('words', { value: Buffer.from('?') }),
    failsWith('processor-failed', /collect cannot read words-0@1: not a word; mend the processor, or .*dead-letter/),
  );
});

test('an error while windows close ends the application: the record that moved time is not at fault', () => {
  const driver = createWords('dead-letter', (ms) => {
    if (ms >= 2_000) throw new Error('no such window');
  });
  driver.pipe('words', { value: 'a', timestampMs: 1_000 });
  assert.throws(
    () => driver.pipe('words', { value: 'b', timestampMs: 2_000 }),
    failsWith('processor-failed', /collect failed when stream time moved on to 2000: no such window/),
  );
  assert.deepEqual(driver.deadLetters(), []);
});

test('what a store keeps of a key must fit into a record of its changelog: bytes count, not characters', () => {
  const driver = createWords('dead-letter');
  const key = 'k';
  driver.pipe('words', { key, value: 'x'.repeat(LETTERS_MAX - 1) });
  assert.throws(
    () => driver.pipe('words', { key, value: 'x'.repeat(LETTERS_MAX) }),
    failsWith('record-too-large', /store collect\.texts has 921600 bytes under key "k"; its changelog takes 921600\./),
  );
  driver.restart();
  assert.throws(
    () => driver.pipe('words', { key, value: 'ü'.repeat(LETTERS_MAX / 2) }),
    failsWith('record-too-large', /921600 bytes/),
  );
});

test('a record that is too large even for a letter is put aside by its place, without its bytes', () => {
  const driver = createWords('dead-letter');
  driver.pipe('words', { key: 'k', value: Buffer.from('?') });
  // What decoding says does not matter here: its bytes are not text.
  const bytes = Buffer.alloc(2_000_000, '?');
  const failing = defineProcessor({
    name: 'fail',
    inputs: { word: words },
    outputs: {},
    graceMs: 0,
    onError: 'dead-letter',
    process: {
      word: () => {
        throw new Error('no');
      },
    },
  });
  const other = createTestDriver(defineTopology({ applicationId: 'words', processors: [failing] }));
  other.pipe('words', { key: 'k', value: bytes });
  const letters = [...driver.deadLetters(), ...other.deadLetters()];
  assert.deepEqual(
    letters.map(({ value_base64, message, origin }) => [value_base64, message, origin.offset]),
    [
      ['Pw==', 'not a word', 0],
      ['', 'no (its 2000000 bytes do not fit into a letter)', 0],
    ],
  );
});
