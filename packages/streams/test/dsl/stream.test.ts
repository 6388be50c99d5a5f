import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestDriver, streamBuilder } from '../../src/index.ts';
import { type Happened, happenedTopic } from '../support/happened.ts';

const OPTIONS = { graceMs: 1_000, onError: 'dead-letter' } as const;
const input = happenedTopic('input');
const other = happenedTopic('other');
const output = happenedTopic('output');
const big = happenedTopic('big');

const happened = (id: string, key: string, atMs: number, amount: number): Happened => ({ id, key, atMs, amount });
const EVENTS = [happened('e1', 'a', 10, 5), happened('e2', 'b', 20, 50), happened('e3', 'a', 30, 500)];

/** Runs a stage of one stream over values, and returns what the topics have received. */
function run(
  define: (stage: ReturnType<ReturnType<typeof streamBuilder>['stage']>) => void,
  events: readonly Happened[] = EVENTS,
): ReturnType<typeof createTestDriver> {
  const builder = streamBuilder('test');
  define(builder.stage('stage', OPTIONS));
  const driver = createTestDriver(builder.build());
  for (const value of events) driver.pipe(input.name, { value });
  return driver;
}
const idsOf = (values: readonly Happened[]): string[] => values.map(({ id }) => id);

test('filter and filterNot share the records out between them', () => {
  const driver = run((stage) => {
    const stream = stage.stream(input);
    stream.filter(({ amount }) => amount >= 50).to(big);
    stream.filterNot(({ amount }) => amount >= 50).to(output);
  });
  assert.deepEqual(idsOf(driver.output(big.name)), ['e2', 'e3']);
  assert.deepEqual(idsOf(driver.output(output.name)), ['e1']);
});

test('map replaces each value, flatMap by any number of them in their order', () => {
  const driver = run((stage) => {
    stage
      .stream(input)
      .map((value) => ({ ...value, amount: value.amount * 2 }))
      .flatMap((value) =>
        Array.from({ length: value.amount / 10 > 5 ? 2 : 0 }, (_, n) => ({ ...value, id: `${value.id}.${n}` })),
      )
      .to(output);
  });
  assert.deepEqual(
    driver.output<Happened>(output.name).map(({ id, amount }) => [id, amount]),
    [
      ['e2.0', 100],
      ['e2.1', 100],
      ['e3.0', 1_000],
      ['e3.1', 1_000],
    ],
  );
});

test('a step sees the record that its value came from', () => {
  const seen: unknown[] = [];
  run(
    (stage) => {
      stage.stream(input).peek((value, { record, streamTimeMs }) => {
        seen.push([value.id, record.key, record.offset, record.timestampMs, streamTimeMs, record.late]);
      });
    },
    [happened('e1', 'a', 2_000, 1), happened('e2', 'b', 999, 1)],
  );
  assert.deepEqual(seen, [
    ['e1', 'a', 0, 2_000, 2_000, false],
    ['e2', 'b', 1, 999, 2_000, true],
  ]);
});

test('a step may put a record aside, and one that throws does', () => {
  const driver = run((stage) => {
    stage
      .stream(input)
      .filter((value, { deadLetter }) => {
        if (value.amount === 50) deadLetter('too-round', 'fifty');
        if (value.amount === 500) throw new Error('five hundred');
        return value.amount !== 50;
      })
      .to(output);
  });
  assert.deepEqual(idsOf(driver.output(output.name)), ['e1']);
  assert.deepEqual(
    driver.deadLetters().map(({ reason, message }) => [reason, message]),
    [
      ['too-round', 'fifty'],
      ['processor-error', 'five hundred'],
    ],
  );
});

test('a branch takes what no branch before it has taken, and rest what is left', () => {
  const driver = run((stage) => {
    const { large, second, rest } = stage
      .stream(input)
      .branch({ large: ({ amount }) => amount > 100, second: ({ id }) => id === 'e2' || id === 'e3' });
    large.map((value) => ({ ...value, key: 'large' })).to(output);
    second.map((value) => ({ ...value, key: 'second' })).to(output);
    rest.map((value) => ({ ...value, key: 'rest' })).to(output);
  });
  assert.deepEqual(
    driver.output<Happened>(output.name).map(({ id, key }) => [id, key]),
    [
      ['e1', 'rest'],
      ['e2', 'second'],
      ['e3', 'large'],
    ],
  );
});

test('merged streams go on as one, in the order of their records', () => {
  const builder = streamBuilder('test');
  const stage = builder.stage('stage', OPTIONS);
  stage
    .stream(input)
    .merge(
      stage.stream(other),
      stage.stream(input).filter(({ amount }) => amount > 5),
    )
    .to(output);
  const driver = createTestDriver(builder.build());
  driver.pipe(input.name, { value: happened('e1', 'a', 10, 5) });
  driver.pipe(other.name, { value: happened('o1', 'a', 10, 5) });
  driver.pipe(input.name, { value: happened('e2', 'a', 10, 6) });
  assert.deepEqual(idsOf(driver.output(output.name)), ['e1', 'o1', 'e2', 'e2']);
});

test('a value is written under the key and time of its topic; a selected key goes before that', () => {
  const driver = run((stage) => {
    const stream = stage.stream(input).filter(({ id }) => id === 'e1');
    stream.map((value) => ({ ...value, key: 'mapped', atMs: 77 })).to(output);
    stream.selectKey(({ id }) => `of ${id}`).to(output);
  });
  assert.deepEqual(
    driver.records(output.name).map(({ key, timestampMs, headers }) => [key, timestampMs, headers?.event_id]),
    [
      ['mapped', 77, 'e1'],
      ['of e1', 10, 'e1'],
    ],
  );
});

test('repartition leads through a topic to another stage, under the selected key', () => {
  const builder = streamBuilder('test');
  const [first, second] = [builder.stage('first', OPTIONS), builder.stage('second', OPTIONS)];
  const keys: string[] = [];
  first
    .stream(input)
    .selectKey(({ id }) => id)
    .repartition(other, second)
    .peek((_, { record }) => keys.push(record.key))
    .to(output);
  const driver = createTestDriver(builder.build());
  for (const value of EVENTS) driver.pipe(input.name, { value });
  assert.deepEqual(keys, ['e1', 'e2', 'e3']);
  assert.deepEqual(driver.output(output.name), EVENTS);
});

test('a tombstone is passed by', () => {
  const driver = run((stage) => stage.stream(input).to(output));
  driver.pipe(input.name, { value: null, key: 'a', timestampMs: 40 });
  assert.deepEqual(idsOf(driver.output(output.name)), ['e1', 'e2', 'e3']);
  assert.deepEqual(driver.deadLetters(), []);
});

test('what cannot be is refused where it is written, with its stage', () => {
  const builder = streamBuilder('test');
  const stage = builder.stage('one', OPTIONS);
  const stream = stage.stream(input);
  const refused = (define: () => unknown, message: RegExp) =>
    assert.throws(define, { name: 'StreamsError', code: 'invalid-topology', message });
  refused(
    () => stream.merge(builder.stage('two', OPTIONS).stream(other)),
    /stage one takes a step of stage two \(source\)/,
  );
  refused(() => stage.stream({ ...input }), /stage one is given two topics of the name input/);
  stream.filter(() => true, 'mine');
  refused(() => stream.map(String, 'mine'), /stage one has two steps named mine/);
  builder.build();
  refused(() => stream.filter(() => true), /stage one is built/);
  const hollow = streamBuilder('hollow');
  hollow.stage('nothing', OPTIONS);
  refused(() => hollow.build(), /processor nothing has no input/);
  refused(() => streamBuilder('empty').build(), /no stage/);
});

test('TypeScript knows what a stream carries', () => {
  const stage = streamBuilder('types').stage('stage', OPTIONS);
  const mixed = stage.stream(input).map((value) => (value.amount > 5 ? value : value.id));
  const isText = (value: Happened | string): value is string => typeof value === 'string';
  mixed.filter(isText).map((value) => value.length);
  const { text, rest } = mixed.branch({ text: isText });
  text.map((value) => value.length);
  rest.merge(text).map((value) => (typeof value === 'string' ? value.length : value.amount));
  const refused = (): void => {
    // @ts-expect-error: a string cannot be written to a topic of Happened
    text.to(output);
    // @ts-expect-error: some of these are strings
    mixed.to(output);
    // @ts-expect-error: no branch may be named rest
    mixed.branch({ rest: isText });
    // @ts-expect-error: there is no such branch
    mixed.branch({ text: isText }).number;
  };
  assert.equal(typeof refused, 'function');
});
