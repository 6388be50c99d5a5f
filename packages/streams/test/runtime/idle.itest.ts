import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKafka } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger, createMetrics } from '@millrace/observability';
import { type Streams, startStreams } from '../../src/index.ts';
import { deadLetterTopic } from '../support/dead-letter-topic.ts';
import { createMinuteTopology } from '../support/minute-topology.ts';

const IDLE_AFTER_MS = 10_000;
const DEADLINE_MS = 60_000;

test('a quiet partition closes its windows by the wall clock, and keeps the time it came to over a restart', async (t) => {
  const { kafkaBrokers } = testStack();
  const prefix = `idle-${process.pid}-${Date.now()}.`;
  const { topology, clicks, minutes } = createMinuteTopology(prefix, { idleAfterMs: IDLE_AFTER_MS });
  const logger = createLogger({ service: 'test', level: 'error' });
  const kafka = createKafka({ brokers: kafkaBrokers, clientId: 'test', logger });
  const admin = await kafka.admin();
  await admin.createTopics(
    [clicks.name, minutes.name, `${prefix}dead-letters`].map((name) => ({ name, partitions: 1, config: {} })),
  );
  const producer = await kafka.producer();
  const reader = await kafka.reader({ isolation: 'read_committed' });
  reader.assign([{ topic: minutes.name, partition: 0, offset: 'start' }]);
  let streams: Streams | undefined;
  t.after(async () => {
    await streams?.close();
    await Promise.all([admin.close(), producer.close(), reader.close()]);
  });

  let nowMs = 1_000_000_000;
  const start = () =>
    startStreams({
      topology,
      kafka,
      metrics: createMetrics('test'),
      logger,
      deadLetters: deadLetterTopic(prefix),
      now: () => nowMs,
      onFatal: (error) => assert.fail(error),
    });
  const click = (id: string, atMs: number) =>
    producer.send([
      { topic: clicks.name, records: [{ key: id, value: clicks.encode({ id, atMs }), timestampMs: atMs }] },
    ]);
  const committedTime = async () => (await admin.committed(topology.applicationId, [clicks.name]))[0]?.metadata;
  const until = async (what: string, holds: () => Promise<boolean> | boolean) => {
    for (const deadline = Date.now() + DEADLINE_MS; !(await holds()); await sleep(50))
      if (Date.now() > deadline) assert.fail(`waited in vain for: ${what}`);
  };
  const said: unknown[] = [];
  const read = async () => {
    for (const { records } of await reader.poll({ maxWaitMs: 50 }))
      said.push(...records.map(({ value }) => minutes.decode(value ?? Buffer.alloc(0))));
  };

  streams = await start();
  await click('a', 50_000);
  await until('the record is done', async () => (await committedTime()) === 'streamTimeMs=50000');
  // The clock stands still: a second of real time must not close anything.
  await sleep(1_000);
  nowMs += IDLE_AFTER_MS - 1;
  await sleep(500);
  assert.equal(await committedTime(), 'streamTimeMs=50000');
  nowMs += 2;
  await until('time has moved on', async () => (await committedTime()) === 'streamTimeMs=60001');
  await until('the minute is out', async () => {
    await read();
    return said.length > 0;
  });
  await streams.close();

  streams = await start();
  await until('it runs again', () => streams?.isReady() === true);
  await until('time goes on from there', async () => {
    nowMs += 1_000;
    return Number((await committedTime())?.split('=')[1]) > 60_001;
  });
  await click('b', 10_000_000);
  await until('the next record is done', async () => (await committedTime()) === 'streamTimeMs=10000000');
  await read();
  assert.deepEqual(said, [{ startMs: 0, count: 1 }], 'the minute was said once');
});
