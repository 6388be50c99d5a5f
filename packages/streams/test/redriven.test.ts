import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestDriver, defineProcessor, defineTopology, type Topic } from '../src/index.ts';

const topic = (name: string, schema?: string): Topic<string> => ({
  name,
  ...(schema !== undefined && { schema }),
  decode: (bytes) => Buffer.from(bytes).toString('utf8'),
  encode: (value) => value,
  key: (value) => value,
  timestampMs: () => 0,
  eventId: (value) => value,
});
const words = topic('words', 'word.v1');
const plain = topic('plain');
const seen = topic('seen', 'word.v1');

function createEcho() {
  const echo = defineProcessor({
    name: 'echo',
    inputs: { word: words, plain },
    outputs: { seen },
    graceMs: 0,
    onError: 'dead-letter',
    process: { word: (word, { emit }) => emit('seen', word), plain: (word, { emit }) => emit('seen', word) },
  });
  return createTestDriver(defineTopology({ applicationId: 'echo', processors: [echo] }));
}

test('a record that was redriven for other stages is passed by, and nothing comes of it', () => {
  const driver = createEcho();
  const records: [string, string | undefined][] = [
    ['a', undefined],
    ['b', 'sink'],
    ['c', 'sink,echo'],
    ['d', 'echo'],
    ['e', 'echoes'],
  ];
  for (const [value, stages] of records) {
    driver.pipe('words', { value, ...(stages !== undefined && { headers: { redriven_for: stages } }) });
  }
  assert.deepEqual(driver.output('seen'), ['a', 'c', 'd']);
  assert.deepEqual(driver.deadLetters(), []);
});

test('what comes of a redriven record is for all who read it', () => {
  const driver = createEcho();
  driver.pipe('words', { value: 'a', headers: { redriven_for: 'echo', redriven_from: 'words:0:7' } });
  const [record] = driver.records('seen');
  assert.equal(record?.headers?.redriven_for, undefined);
  assert.equal(record?.headers?.redriven_from, undefined);
});

test('a letter of a redriven record says which letter the record was made from', () => {
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
  const driver = createTestDriver(defineTopology({ applicationId: 'fail', processors: [failing] }));
  driver.pipe('words', { value: 'a', headers: { redriven_for: 'fail', redriven_from: 'words:0:7' } });
  assert.deepEqual(
    driver.deadLetters().map(({ id, headers }) => [id, headers?.redriven_from]),
    [['words:0:0', 'words:0:7']],
  );
});
