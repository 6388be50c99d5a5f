import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  ask,
  countOf,
  decided,
  freePortBase,
  type Platform,
  type ProcessGroup,
  pay,
  RESET,
  START,
  select,
  startFlags,
  startGroup,
  startPlatform,
} from '@millrace/test-platform';
import { payment } from '../payment.ts';

/** 10 s are promised; this allows for a machine that does much else. */
const STOP_MS_MAX = 20_000;

/** Tests that end the platform: they come last, and in this order. */
export function lifeCycleStories(platform: Platform): void {
  const { dataDir } = platform;

  test('while a platform runs, its data folder is refused to a second start and to a reset, with the remedy', async (t) => {
    const inUse = new RegExp(`${dataDir} is in use by another run \\(process \\d+\\).*--data DIR`);
    const second = await runToEnd(t, START, startFlags({ dataDir, portBase: await freePortBase() }));
    assert.match(second.output(), inUse);
    assert.equal(second.exitCode(), 1);
    const reset = await runToEnd(t, RESET, ['--data', dataDir]);
    assert.match(reset.output(), inUse);
    assert.equal(reset.exitCode(), 1);
    await pay(platform, payment('still-here'));
    await decided(platform, 'still-here');
  });

  test('Ctrl-C ends every process in time, the next start has the same data, and a reset forgets it', async (t) => {
    const stored = await countOf(platform, 'payments', '');
    await interrupt(platform.group);

    const again = await startPlatform(platform);
    t.after(() => again.group.close());
    assert.equal((await ask(again, '/v1/decisions/traced')).decision, 'approve');
    assert.deepEqual(await countOf(again, 'payments', ''), stored);
    await pay(again, [
      payment('traced', await asSent(again, 'traced')),
      payment('after-restart', { customer_id: 'ana' }),
    ]);
    await decided(again, 'after-restart');
    // Also what was there before the start is known to be a repeat.
    assert.deepEqual(await countOf(again, 'payments', 'traced'), { rows: 1, distinct: 1 });
    await interrupt(again.group);

    const reset = await runToEnd(t, RESET, ['--data', dataDir]);
    assert.equal(reset.exitCode(), 0, reset.output());
    for (const part of ['kafka', 'clickhouse']) assert.equal(existsSync(join(dataDir, part)), false, part);
  });
}

/** Ctrl-C in a terminal: the whole group gets it. */
async function interrupt(group: ProcessGroup): Promise<void> {
  const startedMs = performance.now();
  group.signal('SIGINT');
  await group.ended;
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs < STOP_MS_MAX, `it took ${tookMs} ms:\n${group.output()}`);
  assert.equal(group.exitCode(), 0, group.output());
  assert.deepEqual(group.processes(), []);
}

async function runToEnd(t: TestContext, file: string, args: readonly string[]): Promise<ProcessGroup> {
  const group = startGroup(file, args);
  t.after(() => group.close());
  await group.ended;
  return group;
}

/** The fields that make a payment the same one. */
async function asSent(platform: Platform, transactionId: string) {
  const sql = `SELECT customer_id, toUnixTimestamp64Milli(event_time) AS event_time FROM millrace.payments WHERE transaction_id = {transactionId:String}`;
  const [{ customer_id, event_time }] = await select(platform, sql, { transactionId });
  return { customer_id, event_time };
}
