import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKafka } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger } from '@millrace/observability';
import { countByHand, createEntries, sequences } from './count-by-hand.ts';
import { createCountTopology, type Entry } from './count-topology.ts';
import { type Instance, startInstance } from './instance.ts';
import { createRandom } from './random.ts';
import { openTopicLog, settled } from './topic-log.ts';

const FEED_ENTRIES = 50;
const FEED_INTERVAL_MS = 50;

/** A load that goes on until it is stopped. */
export interface Feed {
  /** Entries that Kafka has acknowledged. */
  acknowledged(): number;
  /** Resolves when all is acknowledged. */
  stop(): Promise<void>;
}

/** The counting application on topics of its own, under a load, with a count by hand to compare with. */
export interface Counting {
  readonly random: () => number;
  /** A new instance of the application, killed at the end of the test if it still runs. */
  start(): Instance;
  feed(): Feed;
  /** Waits until all that was fed is processed, and checks that every entry came out once, in order, as a count by hand says. */
  verify(): Promise<void>;
}

export interface CountingOptions {
  /** Tells topics and application of this test from others. */
  readonly name: string;
  readonly partitions: number;
  /** Share of entries that the processor cannot bear: each of them makes its task start over. */
  readonly unbearable?: number;
  readonly standbys?: number;
}

/** The seed of everything random is printed with the test. */
export async function openCounting(t: TestContext, options: CountingOptions): Promise<Counting> {
  const { name, partitions, unbearable = 0, standbys = 0 } = options;
  const seed = Date.now() % 1_000_000;
  t.diagnostic(`seed ${seed}`);
  const random = createRandom(seed);
  const brokers = testStack().kafkaBrokers;
  const prefix = `${name}-${process.pid}-${seed}.`;
  const { topology, entries, counted, published } = createCountTopology(prefix);
  const deadLetters = `${prefix}dead-letters`;
  const topics = [entries.name, counted.name, published.name, deadLetters];
  const logger = createLogger({ service: 'test', level: 'error' });
  const kafka = createKafka({ brokers, clientId: 'test', logger });
  const [admin, producer] = await Promise.all([kafka.admin(), kafka.producer()]);
  await admin.createTopics(topics.map((topic) => ({ name: topic, partitions, config: {} })));
  const log = await openTopicLog(kafka, admin, topics);
  const instances: Instance[] = [];
  t.after(async () => {
    for (const instance of instances) instance.kill();
    await Promise.all([producer.close(), log.close(), admin.close()]);
  });
  const source = createEntries(random, unbearable);
  const fed: Entry[] = [];

  return {
    random,
    start: () => {
      const instance = startInstance({ topology: 'count', brokers, prefix, standbys });
      instances.push(instance);
      return instance;
    },
    feed: () => {
      let stopped = false;
      const from = fed.length;
      const feeding = (async () => {
        while (!stopped) {
          const batch = Array.from({ length: FEED_ENTRIES }, () => source.next().value as Entry);
          await producer.send([{ topic: entries.name, records: batch.map((entry) => toRecord(entries, entry)) }]);
          fed.push(...batch);
          await sleep(FEED_INTERVAL_MS);
        }
      })();
      return {
        acknowledged: () => fed.length - from,
        stop: async () => {
          stopped = true;
          await feeding;
        },
      };
    },
    verify: async () => {
      t.diagnostic(`${fed.length} entries`);
      await settled(topology, log, admin);
      const bearable = fed.filter(({ amount }) => amount !== 666);
      const found = sequences(await log.readToEnd(published.name));
      const wanted = Map.groupBy(countByHand(bearable), ({ account }) => account);
      assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort(), 'the same accounts');
      // One by one: a comparison of the whole would print thousands of lines.
      for (const [account, values] of wanted) {
        const results = (found.get(account) ?? []).map((value) => JSON.parse(value));
        assert.deepEqual(
          results.map(({ id }) => id),
          values.map(({ id }) => id),
          `each entry of ${account} comes out once, in its order`,
        );
        for (const [i, value] of values.entries()) assert.deepEqual(results[i], value, 'as a count by hand says');
      }
      const letters = (await log.readToEnd(deadLetters)).map(({ value }) => JSON.parse(value?.toString('utf8') ?? ''));
      assert.deepEqual(
        letters.map(({ value_base64 }) => JSON.parse(Buffer.from(value_base64, 'base64').toString('utf8')).id).sort(),
        fed
          .filter(({ amount }) => amount === 666)
          .map(({ id }) => id)
          .sort(),
        'what fails is put aside, once each',
      );
    },
  };
}

const toRecord = (topic: ReturnType<typeof createCountTopology>['entries'], entry: Entry) => ({
  key: topic.key(entry),
  value: topic.encode(entry),
  timestampMs: entry.atMs,
});
