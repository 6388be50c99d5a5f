import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKafka } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger, createMetrics } from '@millrace/observability';
import { defineProcessor, defineTopology, startStreams, type Topic } from '../../src/index.ts';
import { deadLetterTopic } from '../support/dead-letter-topic.ts';

const DEADLINE_MS = 30_000;

test('a record of a table that cannot be read is a dead letter with its bytes, and the table goes on without it', async (t) => {
  const prefix = `tables-${process.pid}-${Date.now()}.`;
  const text = (name: string): Topic<string> => ({
    name: `${prefix}${name}`,
    schema: 'text.v1',
    decode: (bytes) => {
      const value = Buffer.from(bytes).toString('utf8');
      if (value === 'poison') throw Object.assign(new Error('it is poison'), { code: 'schema' });
      return value;
    },
    encode: (value) => value,
    key: (value) => value,
    timestampMs: () => 0,
    eventId: (value) => value,
  });
  const [colours, asked, answers] = [text('colours'), text('asked'), text('answers')];
  const letters = deadLetterTopic(prefix);
  const answer = defineProcessor({
    name: 'answer',
    inputs: { asked },
    globals: { colours },
    outputs: { answers },
    graceMs: 0,
    onError: 'dead-letter',
    process: { asked: (key, { globals, emit }) => emit('answers', globals.colours.get(key) ?? 'none') },
  });
  const topology = defineTopology({ applicationId: `${prefix}painter`, processors: [answer] });

  const logger = createLogger({ service: 'test', level: 'silent' });
  const kafka = createKafka({ brokers: testStack().kafkaBrokers, clientId: 'test', logger });
  const admin = await kafka.admin();
  const names = [colours, asked, answers, letters].map(({ name }) => name);
  await admin.createTopics(names.map((name) => ({ name, partitions: 1, config: {} })));
  const producer = await kafka.producer();
  const record = (key: string, value: string) => ({ key, value, timestampMs: 1_000 });
  const table = [record('sky', 'blue'), record('sea', 'poison'), record('grass', 'green')];
  await producer.send([{ topic: colours.name, records: table }]);
  const streams = await startStreams({
    topology,
    kafka,
    metrics: createMetrics('test'),
    logger,
    deadLetters: letters,
    onFatal: (error) => assert.fail(error),
  });
  t.after(async () => {
    await streams.close();
    await admin.deleteTopics(names);
    await Promise.all([admin.close(), producer.close()]);
  });

  await producer.send([{ topic: asked.name, records: ['sky', 'sea', 'grass'].map((key) => record(key, key)) }]);
  const reader = await kafka.reader({ isolation: 'read_committed' });
  t.after(() => reader.close());
  reader.assign([answers, letters].map(({ name: topic }) => ({ topic, partition: 0, offset: 'start' })));
  const found = new Map<string, string[]>();
  const missing = () => (found.get(answers.name)?.length ?? 0) < 3 || !found.has(letters.name);
  for (const until = Date.now() + DEADLINE_MS; missing(); ) {
    assert.ok(Date.now() < until, JSON.stringify([...found]));
    for (const { topic, records } of await reader.poll({ maxWaitMs: 100 })) {
      if (records.length > 0)
        found.set(topic, [...(found.get(topic) ?? []), ...records.map(({ value }) => String(value))]);
    }
  }
  assert.deepEqual(found.get(answers.name), ['blue', 'none', 'green']);
  // It was written before the application was ready for records.
  const [letter, ...others] = (found.get(letters.name) ?? []).map((value) => letters.decode(Buffer.from(value)));
  assert.deepEqual(others, []);
  assert.deepEqual(
    [letter?.id, letter?.stage, letter?.reason, letter?.message, letter?.key],
    [`${colours.name}:0:1`, `${prefix}painter`, 'schema', 'it is poison', 'sea'],
  );
  assert.equal(Buffer.from(letter?.value_base64 ?? '', 'base64').toString(), 'poison');
});
