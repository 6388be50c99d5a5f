import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createTestDriver,
  defineProcessor,
  defineTopology,
  describe,
  type KeyValueStore,
  keyValueStore,
} from '../src/index.ts';
import { createCountTopology, type Running } from './support/count-topology.ts';

const { topology, entries, counted, published } = createCountTopology('');
const entry = (id: string, account: string, amount: number, atMs: number) => ({ value: { id, account, amount, atMs } });

test('what one processor emits the next one reads, and each output is there to look at', () => {
  const driver = createTestDriver(topology);
  driver.pipe(entries.name, entry('e1', 'a', 5, 1_000));
  driver.pipe(entries.name, entry('e2', 'a', 7, 2_000));
  const wanted = [
    { id: 'e1', account: 'a', amount: 5, atMs: 1_000, count: 1, sum: 5, minuteCount: 1, minuteSum: 5 },
    { id: 'e2', account: 'a', amount: 7, atMs: 2_000, count: 2, sum: 12, minuteCount: 2, minuteSum: 12 },
  ];
  assert.deepEqual(driver.output<Running>(counted.name), wanted);
  assert.deepEqual(driver.output<Running>(published.name), wanted);
  assert.deepEqual(driver.output(published.name), [], 'output is taken once');
});

test('headers travel with the record: trace context and time of acceptance stay, schema and id are the output’s', () => {
  const driver = createTestDriver(topology);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  driver.pipe(entries.name, { ...entry('e1', 'a', 5, 1_000), headers: { traceparent, ingested_at: '1234' } });
  const [record] = driver.records(published.name);
  assert.deepEqual(record?.headers, { schema: 'published.v1', event_id: 'e1', traceparent, ingested_at: '1234' });
  assert.deepEqual([record?.key, record?.timestampMs], ['a', 1_000]);
});

test('a record that cannot be read becomes a dead letter with its bytes, and the stream goes on', () => {
  const driver = createTestDriver(topology, { nowMs: 77 });
  driver.pipe(entries.name, { value: Buffer.from('{"not":'), key: 'k', timestampMs: 5 });
  driver.pipe(entries.name, entry('e1', 'a', 5, 1_000));
  const [letter] = driver.deadLetters();
  assert.equal(Buffer.from(letter?.value_base64 ?? '', 'base64').toString(), '{"not":');
  assert.deepEqual(letter?.origin, { kind: 'kafka', topic: 'entries', partition: 0, offset: 0 });
  assert.deepEqual([letter?.stage, letter?.key, letter?.failed_at], ['count', 'k', 77]);
  assert.equal(driver.output(published.name).length, 1);
});

test('a processor that throws after it changed a store leaves no trace of the record but the dead letter', () => {
  const driver = createTestDriver(topology);
  driver.pipe(entries.name, entry('e1', 'a', 5, 1_000));
  driver.pipe(entries.name, entry('e2', 'a', 666, 2_000));
  driver.pipe(entries.name, entry('e3', 'a', 7, 3_000));
  assert.deepEqual(
    driver.output<Running>(published.name).map(({ id, sum, minuteSum }) => [id, sum, minuteSum]),
    [
      ['e1', 5, 5],
      ['e3', 12, 12],
    ],
  );
  assert.deepEqual(
    driver.deadLetters().map(({ reason, origin }) => [reason, origin.offset]),
    [['processor-error', 2]],
  );
});

test('after a restart from the changelog a topology goes on as if nothing had happened', () => {
  const driver = createTestDriver(topology);
  driver.pipe(entries.name, entry('e1', 'a', 5, 1_000));
  driver.restart();
  driver.pipe(entries.name, entry('e2', 'a', 7, 2_000));
  assert.deepEqual(
    driver.output<Running>(published.name).map(({ count, sum, minuteSum }) => [count, sum, minuteSum]),
    [
      [1, 5, 5],
      [2, 12, 12],
    ],
  );
});

const clock = defineProcessor({
  name: 'clock',
  inputs: { entry: entries },
  stores: {
    seen: keyValueStore<number>({
      encode: String,
      decode: (bytes) => Number(bytes.toString()),
      ttlMs: 100,
      entriesMax: 10,
    }),
  },
  outputs: { counted },
  graceMs: 50,
  onError: 'stop',
  process: {
    entry: ({ id, amount }, { stores, record, emit, streamTimeMs }) => {
      if (amount < 0) throw new Error('no amount below zero');
      stores.seen.put(id, streamTimeMs);
      emit('counted', {
        id,
        account: record.late ? 'late' : 'in-time',
        amount,
        atMs: record.timestampMs,
        count: 0,
        sum: 0,
        minuteCount: 0,
        minuteSum: 0,
      });
    },
  },
  onStreamTime: (streamTimeMs, { stores }) => {
    stores.seen.put('clock', streamTimeMs);
  },
});

test('a record is late when it lies further behind stream time than grace, and is processed all the same', () => {
  const driver = createTestDriver(defineTopology({ applicationId: 'clock', processors: [clock] }));
  for (const [id, atMs] of [
    ['e1', 1_000],
    ['e2', 950],
    ['e3', 949],
  ] as const)
    driver.pipe(entries.name, entry(id, 'a', 1, atMs));
  assert.deepEqual(
    driver.output<Running>(counted.name).map(({ account }) => account),
    ['in-time', 'in-time', 'late'],
  );
});

test('stream time moves on with records and by hand, never back, and expires entries', () => {
  const driver = createTestDriver(defineTopology({ applicationId: 'clock', processors: [clock] }));
  driver.pipe(entries.name, entry('e1', 'a', 1, 1_000));
  driver.pipe(entries.name, entry('e2', 'a', 1, 990));
  const seen = driver.store<KeyValueStore<number>>('clock', 'seen');
  assert.equal(seen.get('clock'), 1_000);
  driver.advanceTo(1_099);
  assert.deepEqual([seen.get('e1'), seen.get('clock')], [1_000, 1_099]);
  driver.advanceTo(1_100);
  assert.equal(seen.get('e1'), undefined);
});

test('a processor that says stop ends the run at its first error', () => {
  const driver = createTestDriver(defineTopology({ applicationId: 'clock', processors: [clock] }));
  assert.throws(() => driver.pipe(entries.name, entry('e1', 'a', -1, 1_000)), {
    code: 'processor-failed',
    message: /entries-0@0.*below zero/,
  });
});

test('the topology can be read as text', () => {
  assert.equal(
    describe(topology),
    [
      'application count',
      '  processor count (grace 60000 ms, on error dead-letter)',
      '    inputs   entries',
      '    store    totals: key-value (at most 100000 entries)',
      '    store    minute: sliding windows (amount; up to 60000 ms, 10000 events per key, 100000 keys)',
      '    outputs  counted',
      '  processor publish (grace 0 ms, on error dead-letter)',
      '    inputs   counted',
      '    outputs  published',
    ].join('\n'),
  );
});

test('two processors cannot read one topic, since offsets are kept once', () => {
  const twice = (name: string) => defineProcessor({ ...clock, name });
  assert.throws(() => defineTopology({ applicationId: 'x', processors: [twice('one'), twice('two')] }), {
    code: 'invalid-topology',
    message: /entries is the input of two/,
  });
});
