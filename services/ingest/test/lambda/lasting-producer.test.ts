import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Producer, TopicBatch } from '@millrace/kafka';
import { createLastingProducer } from '../../src/lambda/lasting-producer.ts';

const BATCH: TopicBatch[] = [{ topic: 'payments', records: [{ key: 'a', value: '1' }] }];

function createWorld() {
  const opened: { sent: number; closed: boolean; fails: boolean }[] = [];
  const lost: unknown[] = [];
  const world = { nowMs: 0, opensFail: false, closeHangs: false };
  const producer = createLastingProducer({
    open: async (): Promise<Producer> => {
      if (world.opensFail) throw new Error('no broker');
      const state = { sent: 0, closed: false, fails: false };
      opened.push(state);
      return {
        send: async () => {
          if (state.fails) throw new Error('no answer');
          state.sent += 1;
        },
        close: () => {
          state.closed = true;
          return world.closeHangs ? new Promise(() => undefined) : Promise.resolve();
        },
      };
    },
    idleMsMax: 60_000,
    nowMs: () => world.nowMs,
    onLost: (error) => lost.push(error),
  });
  return { producer, opened, lost, world };
}

test('one producer serves as long as it is used', async () => {
  const { producer, opened, world } = createWorld();
  for (world.nowMs = 0; world.nowMs < 600_000; world.nowMs += 60_000) await producer.send(BATCH);
  assert.deepEqual(opened, [{ sent: 10, closed: false, fails: false }]);
});

test('after a long freeze a new one is opened, and nobody waits for the old one to say goodbye', async () => {
  const { producer, opened, world } = createWorld();
  await producer.send(BATCH);
  world.closeHangs = true;
  world.nowMs += 60_001;
  await producer.send(BATCH);
  assert.deepEqual(
    opened.map(({ sent, closed }) => [sent, closed]),
    [
      [1, true],
      [1, false],
    ],
  );
});

test('a broker that is away fails the send, and the next one tries again', async () => {
  const { producer, opened, world } = createWorld();
  world.opensFail = true;
  await assert.rejects(producer.send(BATCH), /no broker/);
  world.opensFail = false;
  await producer.send(BATCH);
  assert.equal(opened.length, 1);
});

test('sends go one after the other, also past one that fails', async () => {
  const { producer, opened } = createWorld();
  await producer.send(BATCH);
  const [first] = opened;
  assert.ok(first !== undefined);
  first.fails = true;
  const failing = producer.send(BATCH);
  const next = failing.catch(() => {
    first.fails = false;
  });
  await assert.rejects(failing, /no answer/);
  await next;
  await producer.send(BATCH);
  assert.equal(first.sent, 2);
  await producer.close();
  assert.equal(first.closed, true);
});
