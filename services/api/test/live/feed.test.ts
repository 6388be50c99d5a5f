import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { InRecord, Kafka, ReadBatch } from '@millrace/kafka';
import { createMetrics } from '@millrace/observability';
import { createFeed, type FeedEvent, RECENT_EVENTS_MAX } from '../../src/live/feed.ts';
import { logger } from '../fixtures.ts';

/** A topic `t` with two partitions in memory, and a Kafka that reads it. */
function createFakeKafka() {
  const partitions: InRecord[][] = [[], []];
  const state = { readers: 0, failNextPoll: undefined as Error | undefined };
  const kafka = {
    admin: async () => ({
      offsets: async () => partitions.map((records, partition) => ({ partition, start: 0, end: records.length })),
      close: async () => {},
    }),
    reader: async () => {
      state.readers += 1;
      let positions: { partition: number; offset: number }[] = [];
      return {
        assign: (assigned: typeof positions) => {
          positions = assigned.map((position) => ({ ...position }));
        },
        poll: async (): Promise<ReadBatch[]> => {
          await delay(2);
          const failure = state.failNextPoll;
          state.failNextPoll = undefined;
          if (failure) throw failure;
          return positions.map((position) => {
            const all = partitions[position.partition] ?? [];
            const records = all.slice(position.offset);
            position.offset = all.length;
            const { partition, offset } = position;
            return { topic: 't', partition, records, nextOffset: offset, endOffset: offset };
          });
        },
        close: async () => {
          state.readers -= 1;
        },
      };
    },
  } as unknown as Kafka;
  return {
    kafka,
    state,
    append(partition: number, value: string) {
      const records = partitions[partition];
      assert.ok(records);
      const offset = records.length;
      records.push({
        topic: 't',
        partition,
        offset,
        timestampMs: 0,
        key: null,
        value: Buffer.from(value),
        headers: {},
      });
    },
  };
}

function testFeed(t: TestContext, { kafka }: { kafka: Kafka }) {
  const toJson = (value: Uint8Array) => {
    const text = Buffer.from(value).toString();
    if (text === 'poison') throw new Error('no event');
    return text;
  };
  const feed = createFeed({
    name: 'test',
    kafka,
    sources: [{ topic: 't', toJson }],
    logger,
    metrics: createMetrics('t'),
  });
  t.after(() => feed.close());
  return feed;
}

function createSubscriber() {
  const events: FeedEvent[] = [];
  let gaps = 0;
  return {
    event: (event: FeedEvent) => void events.push(event),
    gap: () => {
      gaps += 1;
    },
    data: () => events.map(({ data }) => data),
    lastId: () => events.at(-1)?.id,
    gaps: () => gaps,
    async has(count: number) {
      for (let waits = 0; events.length < count && waits < 500; waits += 1) await delay(2);
      assert.equal(events.length, count);
    },
  };
}

test('a subscriber gets what is new, not what was there', async (t) => {
  const fake = createFakeKafka();
  fake.append(0, 'old');
  const feed = testFeed(t, fake);
  const subscriber = createSubscriber();
  await feed.subscribe(subscriber, undefined);
  fake.append(0, 'new');
  fake.append(1, 'newer');
  await subscriber.has(2);
  assert.deepEqual(subscriber.data().sort(), ['new', 'newer']);
});

test('a subscriber that comes back with its last id misses nothing and gets nothing twice', async (t) => {
  const fake = createFakeKafka();
  const feed = testFeed(t, fake);
  const stays = createSubscriber();
  await feed.subscribe(stays, undefined);
  const first = createSubscriber();
  const leave = await feed.subscribe(first, undefined);
  fake.append(0, 'a');
  fake.append(1, 'b');
  await first.has(2);
  leave();
  fake.append(1, 'c');
  fake.append(0, 'd');
  await stays.has(4);
  const again = createSubscriber();
  await feed.subscribe(again, first.lastId());
  fake.append(0, 'e');
  await again.has(3);
  assert.deepEqual(again.data().sort(), ['c', 'd', 'e']);
  assert.equal(again.gaps(), 0);
});

test('a subscriber can go on where it was after this service was restarted', async (t) => {
  const fake = createFakeKafka();
  const before = testFeed(t, fake);
  const subscriber = createSubscriber();
  await before.subscribe(subscriber, undefined);
  fake.append(0, 'a');
  await subscriber.has(1);
  await before.close();
  fake.append(0, 'b');
  const after = testFeed(t, fake);
  const again = createSubscriber();
  await after.subscribe(again, subscriber.lastId());
  await again.has(1);
  assert.deepEqual(again.data(), ['b']);
  assert.equal(again.gaps(), 0);
});

test('a subscriber is told when what it missed is no longer at hand, or its id is not of this feed', async (t) => {
  const fake = createFakeKafka();
  const feed = testFeed(t, fake);
  const stays = createSubscriber();
  await feed.subscribe(stays, undefined);
  for (let index = 0; index < RECENT_EVENTS_MAX + 10; index += 1) fake.append(0, `${index}`);
  await stays.has(RECENT_EVENTS_MAX + 10);
  const late = createSubscriber();
  await feed.subscribe(late, '5.0');
  assert.equal(late.gaps(), 1);
  assert.equal(late.data()[0], '10');
  const foreign = createSubscriber();
  await feed.subscribe(foreign, '1.2.3.4_5');
  assert.equal(foreign.gaps(), 1);
});

test('a record that is no event is left out and the feed goes on', async (t) => {
  const fake = createFakeKafka();
  const feed = testFeed(t, fake);
  const subscriber = createSubscriber();
  await feed.subscribe(subscriber, undefined);
  fake.append(0, 'poison');
  fake.append(0, 'fine');
  await subscriber.has(1);
  assert.deepEqual(subscriber.data(), ['fine']);
});

test('after Kafka was away the feed goes on where it was', async (t) => {
  const fake = createFakeKafka();
  const feed = testFeed(t, fake);
  const subscriber = createSubscriber();
  await feed.subscribe(subscriber, undefined);
  fake.append(0, 'a');
  await subscriber.has(1);
  fake.state.failNextPoll = new Error('connection lost');
  while (fake.state.failNextPoll) await delay(1);
  fake.append(0, 'b');
  await subscriber.has(2);
  assert.deepEqual(subscriber.data(), ['a', 'b']);
  assert.equal(fake.state.readers, 1);
});

test('a feed that is closed has let go of Kafka', async (t) => {
  const fake = createFakeKafka();
  const feed = testFeed(t, fake);
  await feed.subscribe(createSubscriber(), undefined);
  await feed.close();
  assert.equal(fake.state.readers, 0);
});
