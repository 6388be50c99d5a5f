import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { type TestContext, test } from 'node:test';
import kafkajs, { type Kafka as KafkaJs } from 'kafkajs';
import { joinGroup } from '../src/group.ts';

const OFFSETS = [{ topic: 't', partition: 0, offset: 1 }];

test('where no coordinator is found, the group is joined again, as often as it takes', async (t) => {
  const { group, crash, runs } = await join(t);
  for (const run of [2, 3, 4]) {
    crash(noCoordinator());
    t.mock.timers.tick(1_000);
    assert.equal(runs(), run);
  }
  await group.close();
});

test('what does not pass by waiting ends the membership', async (t) => {
  const { crash, runs, fatal } = await join(t);
  crash(Object.assign(new Error('no'), { type: 'GROUP_AUTHORIZATION_FAILED', retriable: false }));
  t.mock.timers.tick(60_000);
  assert.equal(runs(), 1);
  assert.deepEqual(
    fatal.map((error) => (error as { code?: string }).code),
    ['not-authorized'],
  );
});

test('a group that was left is not joined again', async (t) => {
  const { group, crash, runs } = await join(t);
  crash(noCoordinator());
  await group.close();
  t.mock.timers.tick(60_000);
  assert.equal(runs(), 1);
});

test('between losing the group and joining it again commits are fenced, and afterwards only the new generation commits', async (t) => {
  const { group, emit, joined, commits } = await join(t);
  await group.commit(0, OFFSETS);
  emit('stop', {});
  await assert.rejects(group.commit(0, OFFSETS), { code: 'fenced' });
  joined();
  await assert.rejects(group.commit(0, OFFSETS), { code: 'fenced' });
  await group.commit(1, OFFSETS);
  assert.equal(commits(), 2);
});

test('a member that joins again without having been told of a rebalance commits nothing meanwhile', async (t) => {
  const { group, emit, joined, commits } = await join(t);
  emit('request', { apiName: 'Heartbeat' });
  await group.commit(0, OFFSETS);
  emit('request', { apiName: 'JoinGroup' });
  await assert.rejects(group.commit(0, OFFSETS), { code: 'fenced' });
  joined();
  await group.commit(1, OFFSETS);
  assert.equal(commits(), 2);
});

/** kafkajs's types do not tell of the message. */
function noCoordinator(): Error {
  return Reflect.construct(kafkajs.KafkaJSGroupCoordinatorNotFound, ['Failed to find group coordinator', {}]);
}

/** A member of a group whose kafkajs does what the test says, joined once. */
async function join(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const events = new EventEmitter();
  const fatal: unknown[] = [];
  const silent = () => undefined;
  let runs = 0;
  let commits = 0;
  const consumer = {
    events: { GROUP_JOIN: 'group_join', REBALANCING: 'rebalancing', CRASH: 'crash', STOP: 'stop', REQUEST: 'request' },
    on: (event: string, listener: (event: { payload: unknown }) => void) => events.on(event, listener),
    connect: async () => undefined,
    subscribe: async () => undefined,
    pause: silent,
    disconnect: async () => undefined,
    run: async () => {
      runs += 1;
    },
    commitOffsets: async () => {
      commits += 1;
    },
  };
  const admin = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    fetchTopicMetadata: async () => ({ topics: [{ name: 't', partitions: [{}] }] }),
  };
  const client = { consumer: () => consumer, admin: () => admin } as unknown as KafkaJs;
  const group = await joinGroup(
    client,
    {
      groupId: 'g',
      topics: ['t'],
      unitsOf: () => [{ id: 'u', partitions: [{ topic: 't', partition: 0 }] }],
      onAssigned: silent,
      onFatal: (error) => fatal.push(error),
    },
    { debug: silent, info: silent, warn: silent, error: silent },
  );
  const emit = (event: string, payload: unknown) => events.emit(event, { payload });
  const joined = () => emit('group_join', { memberAssignment: { t: [0] } });
  joined();
  return {
    group,
    fatal,
    emit,
    joined,
    crash: (error: Error) => emit('crash', { error, restart: false }),
    runs: () => runs,
    commits: () => commits,
  };
}
