import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createKafka } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger, createMetrics } from '@millrace/observability';
import { type Streams, StreamsError, startStreams } from '../../src/index.ts';
import { createCountTopology, type Running } from '../support/count-topology.ts';
import { deadLetterTopic } from '../support/dead-letter-topic.ts';

const COMMAND = fileURLToPath(new URL('../../src/changelog-command.ts', import.meta.url));
const DEADLINE_MS = 60_000;
const { kafkaBrokers } = testStack();

test('a poisoned changelog is named, and forgotten by command once the application has stopped', async (t) => {
  const prefix = `poison-${process.pid}-${Date.now()}.`;
  const { topology, entries, counted, published } = createCountTopology(prefix);
  const application = topology.applicationId;
  const changelog = `${application}.count.totals.changelog`;
  const logger = createLogger({ service: 'test', level: 'silent' });
  const kafka = createKafka({ brokers: kafkaBrokers, clientId: 'test', logger });
  const admin = await kafka.admin();
  await admin.createTopics(
    [entries, counted, published, deadLetterTopic(prefix)].map(({ name }) => ({ name, partitions: 1, config: {} })),
  );
  const producer = await kafka.producer();
  const reader = await kafka.reader({ isolation: 'read_committed' });
  reader.assign([{ topic: published.name, partition: 0, offset: 'start' }]);
  let streams: Streams | undefined;
  t.after(async () => {
    await streams?.close();
    await Promise.all([admin.close(), producer.close(), reader.close()]);
  });
  const start = async (): Promise<{ failure: Promise<Error> }> => {
    const { promise: failure, resolve: onFatal } = Promise.withResolvers<Error>();
    const metrics = createMetrics('test');
    streams = await startStreams({ topology, kafka, metrics, logger, deadLetters: deadLetterTopic(prefix), onFatal });
    return { failure };
  };
  const stop = async () => {
    await streams?.close();
    streams = undefined;
  };
  const enter = (id: string, account: string, atMs: number) =>
    producer.send([
      {
        topic: entries.name,
        records: [{ key: account, value: entries.encode({ id, account, amount: 1, atMs }), timestampMs: atMs }],
      },
    ]);
  const said: Running[] = [];
  const untilSaid = async (count: number) => {
    for (const deadline = Date.now() + DEADLINE_MS; said.length < count; ) {
      assert.ok(Date.now() < deadline, `${said.length} of ${count} came out`);
      for (const { records } of await reader.poll({ maxWaitMs: 100 }))
        said.push(...records.map(({ value }) => published.decode(value ?? Buffer.alloc(0))));
    }
    return said.map(({ account, count: counts }) => [account, counts]);
  };
  const command = async (...args: string[]) => {
    try {
      const done = await promisify(execFile)(process.execPath, [COMMAND, ...args, '--brokers', kafkaBrokers.join(',')]);
      return { code: 0, text: done.stdout };
    } catch (error) {
      const { code, stderr } = error as { code: number; stderr: string };
      return { code, text: stderr };
    }
  };

  // Two accounts are known; then the changelog gets a record that is no count.
  await start();
  await enter('e1', 'a', 1_000);
  await enter('e2', 'b', 2_000);
  await untilSaid(2);
  await stop();
  await producer.send([{ topic: changelog, records: [{ key: 'a', value: '{"count":', partition: 0 }] }]);
  const poisonedAt = ((await admin.offsets(changelog))[0]?.end ?? 0) - 1;

  const { failure } = await start();
  const error = await failure;
  assert.ok(error instanceof StreamsError);
  assert.equal(error.code, 'changelog-corrupt');
  const at = ['--application', application, '--topic', changelog, '--partition', '0', '--offset', String(poisonedAt)];
  assert.ok(error.message.startsWith(`${changelog}-0@${poisonedAt}, key "a": `), error.message);
  assert.ok(error.message.includes(`npm run changelog -- forget ${at.join(' ')}`), 'and the message says what to do');

  const refused = await command('forget', ...at);
  assert.equal(refused.code, 2, refused.text);
  assert.match(refused.text, /runs: its group has 1 members/);
  await stop();
  const wrongOffset = await command('forget', ...at.slice(0, -1), String(poisonedAt + 100));
  assert.match(wrongOffset.text, /holds the offsets from 0 to/);
  const wrongTopic = await command('forget', ...at.slice(0, 3), entries.name, ...at.slice(4));
  assert.match(wrongTopic.text, /is not a changelog of/);
  const forgotten = await command('forget', ...at);
  assert.deepEqual(
    [forgotten.code, forgotten.text.trim()],
    [0, `${changelog}-0: key "a" is forgotten; start the application again`],
  );

  // The poisoned record is still there, and out of date: a begins anew, b goes on.
  await start();
  await enter('e3', 'a', 3_000);
  await enter('e4', 'b', 4_000);
  assert.deepEqual((await untilSaid(4)).slice(2), [
    ['a', 1],
    ['b', 2],
  ]);
  await stop();

  // Without its changelogs the application goes on where it was, and knows nothing.
  const emptied = await command('reset', '--application', application);
  assert.match(
    emptied.text,
    /deleted .*count\.minute\.changelog, .*count\.totals\.changelog; it goes on in its inputs where it was/,
  );
  await sleep(500);
  await start();
  await enter('e5', 'b', 5_000);
  assert.deepEqual((await untilSaid(5)).slice(4), [['b', 1]]);
  await stop();

  // With offsets it reads its inputs again, also what its own processors read: 5 counts from before, and 5 made anew.
  await command('reset', '--application', application, '--offsets');
  await sleep(500);
  await start();
  assert.deepEqual((await untilSaid(15)).slice(10), [
    ['a', 1],
    ['b', 1],
    ['a', 2],
    ['b', 2],
    ['b', 3],
  ]);
});
