import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKafka } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger, createMetrics } from '@millrace/observability';
import { startStreams } from '../../src/index.ts';
import { createCountTopology } from '../support/count-topology.ts';
import { deadLetterTopic } from '../support/dead-letter-topic.ts';

test('a topic that takes less than the processor writes ends the application, which names topic and setting', async (t) => {
  const prefix = `large-${process.pid}-${Date.now()}.`;
  const { topology, entries, counted, published } = createCountTopology(prefix);
  const logger = createLogger({ service: 'test', level: 'silent' });
  const kafka = createKafka({ brokers: testStack().kafkaBrokers, clientId: 'test', logger });
  const admin = await kafka.admin();
  await admin.createTopics(
    [entries, published, deadLetterTopic(prefix)].map(({ name }) => ({ name, partitions: 1, config: {} })),
  );
  await admin.createTopics([{ name: counted.name, partitions: 1, config: { 'max.message.bytes': '2000' } }]);
  const producer = await kafka.producer();
  const { promise: failure, resolve: onFatal } = Promise.withResolvers<Error & { code?: string }>();
  const metrics = createMetrics('test');
  const streams = await startStreams({
    topology,
    kafka,
    metrics,
    logger,
    deadLetters: deadLetterTopic(prefix),
    onFatal,
  });
  t.after(async () => {
    await streams.close();
    await Promise.all([admin.close(), producer.close()]);
  });

  const value = entries.encode({ id: 'e'.repeat(3_000), account: 'a', amount: 1, atMs: 1_000 });
  await producer.send([{ topic: entries.name, records: [{ key: 'a', value, timestampMs: 1_000 }] }]);
  const error = await failure;
  assert.equal(error.code, 'too-large');
  assert.ok(error.message.includes(`${counted.name}-0`), error.message);
  assert.match(error.message, /max\.message\.bytes/);
  const [input] = await admin.committed(topology.applicationId, [entries.name]);
  assert.equal(input?.offset, -1, 'and the record is not passed by');
});
