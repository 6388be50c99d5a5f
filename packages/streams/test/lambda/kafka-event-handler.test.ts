import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineProcessor, defineTopology, StreamsError } from '../../src/index.ts';
import {
  APPLICATION,
  contextOf,
  createSum,
  createWorld,
  ENTRIES,
  type Entry,
  eventOf,
  FAILS,
  failuresIn,
  lettersIn,
  NOW_MS,
  RATES,
  TOO_OLD,
  TOTALS,
  totalsIn,
  write,
} from './world.ts';

const entry = (id: string, amount: number, account = 'a', atMs = NOW_MS): Entry => ({ id, account, amount, atMs });
const delivered = (world: ReturnType<typeof createWorld>, partition = 0) =>
  world.kafka.deliveredFrom(ENTRIES.name, partition);
const sums = (world: ReturnType<typeof createWorld>) => totalsIn(world.kafka).map(({ id, sum }) => [id, sum]);

test('a batch of several partitions is processed whole, each partition in one transaction', async () => {
  const world = createWorld(2);
  write(world.kafka, entry('e1', 5, 'a'), 0);
  write(world.kafka, entry('e2', 6, 'a'), 0);
  write(world.kafka, entry('e3', 7, 'b'), 1);
  const answer = await world.environment().handle(eventOf(delivered(world, 0), delivered(world, 1)), contextOf());
  assert.deepEqual(answer, { batchItemFailures: [] });
  assert.deepEqual(sums(world).sort(), [
    ['e1', 5],
    ['e2', 11],
    ['e3', 7],
  ]);
  assert.equal(world.kafka.commits, 2);
  assert.equal(world.kafka.committedOffset(APPLICATION, ENTRIES.name, 0), 2);
});

test('a failing record stops its partition only, in the form that AWS asks for', async () => {
  const world = createWorld(2);
  write(world.kafka, entry('e1', 5), 0);
  const failing = write(world.kafka, entry('e2', FAILS.afterTheStore), 0);
  write(world.kafka, entry('e3', 6), 0);
  write(world.kafka, entry('e4', 7, 'b'), 1);
  const handler = world.environment({ topology: createSum('stop') });
  const answer = await handler.handle(eventOf(delivered(world, 0), delivered(world, 1)), contextOf());
  assert.deepEqual(answer, {
    batchItemFailures: [{ itemIdentifier: { partition: 'entries-0', offset: failing } }],
  });
  assert.deepEqual(
    sums(world).sort(),
    [
      ['e1', 5],
      ['e4', 7],
    ],
    'what came before it is done',
  );
});

test('when time runs low what is done is committed, and the rest is reported', async () => {
  const world = createWorld(1);
  for (const id of ['e1', 'e2', 'e3', 'e4']) write(world.kafka, entry(id, 1));
  const context = contextOf();
  const topology = createSum('dead-letter', ({ id }) => {
    if (id === 'e2') context.remainingMs = 1_000;
  });
  const handler = world.environment({ topology });
  assert.deepEqual(failuresIn(await handler.handle(eventOf(delivered(world)), context)), [['entries-0', 2]]);
  assert.deepEqual(sums(world), [
    ['e1', 1],
    ['e2', 2],
  ]);
  context.remainingMs = 30_000;
  assert.deepEqual(failuresIn(await handler.handle(eventOf(delivered(world)), context)), []);
  assert.deepEqual(
    sums(world).map(([, total]) => total),
    [1, 2, 3, 4],
  );
});

test('environments that get the same batch at the same time do it once together, whoever wins', async () => {
  const world = createWorld(1);
  for (let n = 1; n <= 20; n++) write(world.kafka, entry(`e${n}`, 1));
  const environments = [world.environment(), world.environment(), world.environment()];
  for (let from = 0; from < 20; from += 5) {
    const event = eventOf(delivered(world).slice(from, from + 5));
    let undone = environments;
    for (let rounds = 0; undone.length > 0; rounds++) {
      assert.ok(rounds < 20, 'they do not stand in each other’s way for ever');
      const answers = await Promise.all(undone.map((handler) => handler.handle(event, contextOf())));
      undone = undone.filter((_, i) => answers[i]?.batchItemFailures.length !== 0);
    }
  }
  assert.deepEqual(
    sums(world),
    Array.from({ length: 20 }, (_, n) => [`e${n + 1}`, n + 1]),
  );
});

test('while Kafka is away the whole batch is to be delivered again, and is done once Kafka is back', async () => {
  const world = createWorld(2);
  write(world.kafka, entry('e1', 5), 0);
  write(world.kafka, entry('e2', 5, 'b'), 1);
  const handler = world.environment();
  const event = eventOf(delivered(world, 0), delivered(world, 1));
  world.kafka.away = true;
  assert.deepEqual(failuresIn(await handler.handle(event, contextOf())), [
    ['entries-0', 0],
    ['entries-1', 0],
  ]);
  world.kafka.away = false;
  assert.deepEqual(failuresIn(await handler.handle(event, contextOf())), []);
  assert.equal(totalsIn(world.kafka).length, 2);
});

test('a broker that answers nothing is given up before the invocation ends', async () => {
  const world = createWorld(1);
  write(world.kafka, entry('e1', 5));
  const handler = world.environment();
  const { admin } = world.kafka;
  world.kafka.admin = () => new Promise(() => undefined);
  assert.deepEqual(failuresIn(await handler.handle(eventOf(delivered(world)), contextOf(100))), [['entries-0', 0]]);
  world.kafka.admin = admin;
  const fresh = world.environment();
  assert.deepEqual(failuresIn(await fresh.handle(eventOf(delivered(world)), contextOf())), []);
});

test('a record whose transaction is open is to be delivered again; one that was aborted never was', async () => {
  const world = createWorld(1);
  write(world.kafka, entry('e1', 1));
  write(world.kafka, entry('e2', 2), 0, 'aborted');
  const open = write(world.kafka, entry('e3', 3), 0, 'open');
  const handler = world.environment();
  assert.deepEqual(failuresIn(await handler.handle(eventOf(delivered(world)), contextOf())), [['entries-0', open]]);
  assert.deepEqual(sums(world), [['e1', 1]]);
  world.kafka.settle(ENTRIES.name, 0, 'committed');
  const rest = delivered(world).filter(({ offset }) => offset >= open);
  assert.deepEqual(failuresIn(await handler.handle(eventOf(rest), contextOf())), []);
  assert.deepEqual(sums(world), [
    ['e1', 1],
    ['e3', 4],
  ]);
});

test('what retention has removed meanwhile is taken from the event', async () => {
  const world = createWorld(1);
  for (const id of ['e1', 'e2', 'e3']) write(world.kafka, entry(id, 1));
  const event = eventOf(delivered(world));
  world.kafka.expire(ENTRIES.name, 0, 2);
  assert.deepEqual(failuresIn(await world.environment().handle(event, contextOf())), []);
  assert.deepEqual(sums(world), [
    ['e1', 1],
    ['e2', 2],
    ['e3', 3],
  ]);
});

test('records that Lambda has given up are passed by: a gap is no fault', async () => {
  const world = createWorld(1);
  for (const id of ['e1', 'e2', 'e3']) write(world.kafka, entry(id, 1));
  const handler = world.environment();
  const [first, , third] = delivered(world);
  assert.ok(first !== undefined && third !== undefined);
  await handler.handle(eventOf([first]), contextOf());
  assert.deepEqual(failuresIn(await handler.handle(eventOf([third]), contextOf())), []);
  assert.deepEqual(sums(world), [
    ['e1', 1],
    ['e3', 2],
  ]);
});

test('a record that is too old is kept with its bytes, key, headers and origin, in the topic for that', async () => {
  const world = createWorld(1, { recordAgeMsMax: 60_000 });
  const value = JSON.stringify(entry('old', 1));
  world.kafka.append(ENTRIES.name, 0, { key: 'a', value, headers: { event_id: 'old' }, timestampMs: NOW_MS - 60_001 });
  write(world.kafka, entry('fresh', 2, 'a', NOW_MS - 60_000));
  assert.deepEqual(failuresIn(await world.environment().handle(eventOf(delivered(world)), contextOf())), []);
  assert.deepEqual(sums(world), [['fresh', 2]]);
  assert.deepEqual(lettersIn(world.kafka), []);
  assert.deepEqual(lettersIn(world.kafka, TOO_OLD), [
    {
      id: 'entries:0:0',
      origin: { kind: 'kafka', topic: 'entries', partition: 0, offset: 0 },
      stage: 'sum',
      reason: 'too-old',
      message: '60001 ms old; the limit is 60000',
      value_base64: Buffer.from(value).toString('base64'),
      key: 'a',
      headers: { event_id: 'old' },
      failed_at: NOW_MS,
    },
  ]);
});

test('a processor of two inputs gets the one that Lambda does not deliver too, in the order of event time', async () => {
  const seen: string[] = [];
  const join = defineProcessor({
    name: 'join',
    inputs: { entry: ENTRIES, rate: RATES },
    outputs: { total: TOTALS },
    graceMs: 0,
    onError: 'stop',
    process: { entry: ({ id }) => void seen.push(id), rate: ({ id }) => void seen.push(id) },
  });
  const world = createWorld(1, { topology: defineTopology({ applicationId: 'join', processors: [join] }) });
  const rate = (id: string, atMs: number) =>
    world.kafka.append(RATES.name, 0, { key: 'a', value: JSON.stringify(entry(id, 1)), timestampMs: atMs });
  for (const atMs of [20, 40, 60]) write(world.kafka, entry(`e${atMs}`, 1, 'a', atMs));
  for (const atMs of [10, 30, 50, 70]) rate(`r${atMs}`, atMs);
  const handler = world.environment();
  const [first, ...others] = delivered(world);
  assert.ok(first !== undefined);
  await handler.handle(eventOf([first]), contextOf());
  assert.deepEqual(seen, ['r10', 'e20'], 'r30 waits: there are entries that Lambda has not delivered yet');
  await handler.handle(eventOf(others), contextOf());
  assert.deepEqual(seen, ['r10', 'e20', 'r30', 'e40', 'r50', 'e60', 'r70']);
  await world.environment().handle(eventOf(world.kafka.deliveredFrom(RATES.name, 0)), contextOf());
  assert.equal(seen.length, 7, 'a topic that was read beside the other is done when Lambda delivers it');
});

test('a processor that trusts Lambda takes the event at its word, and reads nothing', async () => {
  const world = createWorld(1, { inputs: 'trust' });
  write(world.kafka, entry('e1', 1));
  const event = eventOf(delivered(world));
  world.kafka.expire(ENTRIES.name, 0, 1);
  assert.deepEqual(failuresIn(await world.environment().handle(event, contextOf())), []);
  assert.deepEqual(sums(world), [['e1', 1]]);
});

test('global tables are fresh at each invocation', async () => {
  const names: (string | undefined)[] = [];
  const look = defineProcessor({
    name: 'look',
    inputs: { entry: ENTRIES },
    globals: { rates: RATES },
    outputs: { total: TOTALS },
    graceMs: 0,
    onError: 'stop',
    process: { entry: ({ account }, { globals }) => void names.push(globals.rates.get(account)?.id) },
  });
  const world = createWorld(1, { topology: defineTopology({ applicationId: 'look', processors: [look] }) });
  const handler = world.environment();
  await handler.warmUp();
  for (const id of ['r1', 'r2']) {
    world.kafka.append(RATES.name, 0, { key: 'a', value: JSON.stringify(entry(id, 1)), timestampMs: NOW_MS });
    const offset = write(world.kafka, entry(`e-${id}`, 1));
    await handler.handle(eventOf(delivered(world).filter((record) => record.offset === offset)), contextOf());
  }
  assert.deepEqual(names, ['r1', 'r2']);
});

test('both event shapes of AWS are read: keys, values, headers, tombstones, bytes above 127', async () => {
  const seen: unknown[] = [];
  const look = defineProcessor({
    name: 'look',
    inputs: { entry: { ...ENTRIES, decode: (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8') as never } },
    outputs: { total: TOTALS },
    graceMs: 0,
    onError: 'stop',
    process: {
      entry: (value, { record }) => void seen.push([value, record.key, record.traceparent, record.ingestedAtMs]),
    },
    onTombstone: (_, key) => void seen.push(['tombstone', key]),
  });
  const topology = defineTopology({ applicationId: 'look', processors: [look] });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  // As in AWS's documentation, with content of our own; Java writes bytes from -128 to 127.
  const records = {
    'entries-0': [
      {
        topic: 'entries',
        partition: 0,
        offset: 15,
        timestamp: 1_545_084_650_987,
        timestampType: 'CREATE_TIME',
        key: Buffer.from('zoë').toString('base64'),
        value: Buffer.from('wért').toString('base64'),
        headers: [{ traceparent: [...Buffer.from(traceparent)] }, { ingested_at: [...Buffer.from('1545084650000')] }],
      },
      {
        topic: 'entries',
        partition: 0,
        offset: 16,
        timestamp: 1_545_084_650_988,
        timestampType: 'LOG_APPEND_TIME',
        key: 'Z29uZQ==',
        headers: [{ note: [-61, -92] }],
      },
    ],
  };
  const bootstrapServers = 'b-2.demo.a1bcde.c1.kafka.eu-central-1.amazonaws.com:9092';
  const shapes = [
    { eventSource: 'SelfManagedKafka', bootstrapServers, records },
    { eventSource: 'aws:SelfManagedKafka', bootstrapServers, records },
    {
      eventSource: 'aws:kafka',
      eventSourceArn: 'arn:aws:kafka:eu-central-1:1:cluster/demo/1',
      bootstrapServers,
      records,
    },
  ];
  for (const event of shapes) {
    seen.length = 0;
    const world = createWorld(1, { topology, inputs: 'trust' });
    assert.deepEqual(await world.environment().handle(event, contextOf()), { batchItemFailures: [] });
    assert.deepEqual(seen, [
      ['wért', 'zoë', traceparent, 1_545_084_650_000],
      ['tombstone', 'gone'],
    ]);
  }
});

test('an event that is none of Kafka, or of a topic that nobody reads, is an error that says what to mend', async () => {
  const world = createWorld(1);
  const handler = world.environment();
  const rejects = (event: unknown, code: string, message: RegExp) =>
    assert.rejects(handler.handle(event, contextOf()), (error: unknown) => {
      assert.ok(error instanceof StreamsError && error.code === code, String(error));
      assert.match(error.message, message);
      return true;
    });
  await rejects({ Records: [{ eventSource: 'aws:sqs' }] }, 'invalid-event', /eventSource is undefined, not one of/);
  await rejects(null, 'invalid-event', /Map topics to this function/);
  await rejects(
    { eventSource: 'aws:kafka', records: { 'entries-0': [{ topic: 'entries' }] } },
    'invalid-event',
    /entries-0 has no topic, partition and offset/,
  );
  world.kafka.append(TOTALS.name, 0, { key: 'a', value: '{}' });
  await rejects(
    eventOf(world.kafka.deliveredFrom(TOTALS.name, 0)),
    'invalid-topology',
    /no processor of sum reads totals; it reads entries/,
  );
});

test('an application whose topics are missing is an error, since no retry creates them', async () => {
  const world = createWorld(1);
  write(world.kafka, entry('e1', 1));
  const other = { ...ENTRIES, name: 'elsewhere' };
  const [sum] = createSum().processors;
  assert.ok(sum !== undefined);
  const topology = defineTopology({
    applicationId: APPLICATION,
    processors: [sum, { ...sum, name: 'other', inputs: { entry: other } }],
  });
  await assert.rejects(
    world.environment({ topology }).handle(eventOf(delivered(world)), contextOf()),
    /topic elsewhere, an input of other, does not exist/,
  );
});
