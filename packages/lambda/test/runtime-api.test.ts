import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createLocalFunction, runtimeClient } from '../src/index.ts';

const HANDLER = `
let calls = 0;
export const handler = async (event, context) => {
  calls += 1;
  if (event.fail) throw Object.assign(new TypeError(event.fail), {});
  if (event.hang) await new Promise(() => setInterval(() => undefined, 1000));
  return { calls, echo: event, isInTime: context.getRemainingTimeInMillis() <= 5000, pid: process.pid };
};
export const callback = (event, context, done) => done(null, event);
`;

async function createFunction(t: TestContext, { name = 'handler', timeoutMs = 5_000 } = {}) {
  t.diagnostic(`runtime client: ${runtimeClient().kind}`);
  const taskRoot = await mkdtemp(join(tmpdir(), 'millrace-lambda-'));
  await writeFile(join(taskRoot, 'index.mjs'), HANDLER);
  const local = createLocalFunction({ taskRoot, handler: `index.${name}`, env: {}, timeoutMs });
  t.after(async () => {
    await local.close();
    await rm(taskRoot, { recursive: true });
  });
  return local;
}

test('an environment answers one event after the other, and keeps what it has in between', async (t) => {
  const local = await createFunction(t);
  const first = await local.invoke({ text: 'zoë' });
  local.freeze();
  const second = await local.invoke({ text: 'b' });
  assert.ok(first.ok && second.ok);
  const [a, b] = [first.payload, second.payload] as { calls: number; echo: object; isInTime: boolean; pid: number }[];
  assert.deepEqual([a?.echo, a?.calls, a?.isInTime, b?.calls], [{ text: 'zoë' }, 1, true, 2]);
  assert.equal(a?.pid, b?.pid);
});

test('what a handler throws is its answer, with the name and the message of the error', async (t) => {
  const local = await createFunction(t);
  const answer = await local.invoke({ fail: 'no such thing' });
  assert.ok(!answer.ok);
  assert.deepEqual([answer.error.errorType, answer.error.errorMessage], ['TypeError', 'no such thing']);
});

test('an environment that takes too long is killed, and the next event finds a new one', async (t) => {
  const local = await createFunction(t, { timeoutMs: 1_500 });
  await assert.rejects(local.invoke({ hang: true }), /the environment has ended \(SIGKILL\)/);
  const answer = await local.invoke({});
  assert.ok(answer.ok && (answer.payload as { calls: number }).calls === 1);
});

test('a handler that takes a callback, or is not there, is an error of the start', async (t) => {
  for (const name of ['callback', 'nothing']) {
    const local = await createFunction(t, { name });
    await assert.rejects(local.invoke({}), /could not be loaded|has ended/, name);
  }
});
