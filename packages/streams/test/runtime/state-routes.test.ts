import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyValueStore } from '../../src/index.ts';
import { answerState, type StateSource } from '../../src/runtime/state-routes.ts';

const storeOf = (entries: Record<string, number>) => {
  const store = new KeyValueStore<number>('test', { encode: String, decode: Number, entriesMax: 100 });
  for (const [key, value] of Object.entries(entries)) store.put(key, value);
  return store;
};
const source: StateSource = {
  applicationId: 'app',
  tasks: () => [
    {
      processor: 'sum',
      partition: 0,
      state: 'running',
      streamTimeMs: 5_000,
      stores: { totals: storeOf({ a: 1, 'b/c d': 2 }) },
    },
    {
      processor: 'sum',
      partition: 3,
      state: 'standby',
      streamTimeMs: Number.NEGATIVE_INFINITY,
      stores: { totals: storeOf({ z: 26 }) },
    },
    { processor: 'plain', partition: 0, state: 'running', streamTimeMs: 1, stores: {} },
  ],
  members: async () => [{ clientId: 'app', host: '10.0.0.7', partitions: [{ topic: 'in', partition: 1 }] }],
};
const get = (path: string) => answerState(source, new URL(path, 'http://localhost'));

test('the overview shows tasks, their stream times and the sizes of their stores', async () => {
  assert.deepEqual(await get('/state'), {
    status: 200,
    body: {
      application: 'app',
      tasks: [
        { processor: 'sum', partition: 0, state: 'running', stream_time_ms: 5_000, stores: { totals: { keys: 2 } } },
        { processor: 'sum', partition: 3, state: 'standby', stream_time_ms: null, stores: { totals: { keys: 1 } } },
        { processor: 'plain', partition: 0, state: 'running', stream_time_ms: 1, stores: {} },
      ],
    },
  });
});

test('keys are listed up to a limit, by partition', async () => {
  const partitions = (await get('/state/sum/totals?limit=1')).body as { partitions: unknown };
  assert.deepEqual(partitions.partitions, [
    { partition: 0, state: 'running', size: 2, keys: ['a'] },
    { partition: 3, state: 'standby', size: 1, keys: ['z'] },
  ]);
  assert.equal((await get('/state/sum/totals?limit=0')).status, 400);
  assert.equal((await get('/state/sum/totals?limit=all')).status, 400);
});

test('a key is found in whichever partition has it, with slashes and spaces as they are', async () => {
  assert.deepEqual((await get('/state/sum/totals/z')).body, {
    processor: 'sum',
    store: 'totals',
    key: 'z',
    partition: 3,
    state: 'standby',
    value: 26,
  });
  assert.equal(((await get('/state/sum/totals/b/c%20d')).body as { value: unknown }).value, 2);
  assert.equal(((await get('/state/sum/totals/b%2Fc%20d')).body as { value: unknown }).value, 2);
});

test('what is not here is said to be elsewhere, if anywhere', async () => {
  const missing = await get('/state/sum/totals/q');
  assert.equal(missing.status, 404);
  assert.equal(
    (missing.body as { detail: string }).detail,
    'sum.totals has no "q" in the partitions of this instance (0, 3). Members of app: app at 10.0.0.7 with in-1.',
  );
  for (const path of ['/state/sum', '/state/sum/other', '/state/none/totals', '/state/plain/totals/a']) {
    const { status, body } = await get(path);
    assert.equal(status, 404);
    assert.match((body as { detail: string }).detail, /there are: sum\/totals\. Members of app:/);
  }
});
