import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { PartEvent, PartOptions } from '../../src/supervisor/part.ts';
import { Stack } from '../../src/supervisor/stack.ts';

/** Writes what happens to it into one file with all the others: `up` once it can be stopped, and 50 ms later `down`. */
const PROGRAM = `import { appendFileSync } from 'node:fs';
const [name, journal, stubborn] = process.argv.slice(2);
process.on('SIGTERM', () => {
  if (stubborn) return;
  setTimeout(() => { appendFileSync(journal, name + ' down\\n'); process.exit(0); }, 50);
});
appendFileSync(journal, name + ' up\\n');
setInterval(() => {}, 1000);`;

async function createStack(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-stack-'));
  const file = join(dir, 'program.mjs');
  const journal = join(dir, 'journal');
  await writeFile(file, PROGRAM);
  const events: PartEvent[] = [];
  const stack = new Stack((event) => events.push(event));
  t.after(async () => {
    stack.kill();
    await stack.stop();
    await rm(dir, { recursive: true, force: true });
  });
  const read = async (): Promise<string[]> =>
    existsSync(journal) ? (await readFile(journal, 'utf8')).trimEnd().split('\n') : [];
  const part = (name: string, ...args: string[]): PartOptions => ({
    name,
    program: { kind: 'node', file, args: [name, journal, ...args] },
    env: {},
    cwd: dir,
    logFile: join(dir, `${name}.log`),
    isReady: async () => (await read()).includes(`${name} up`),
    timing: { readyPollMs: 10 },
  });
  return { stack, part, read, events };
}

test('parts stop from the source to the stores, each only when the one before it has stopped', async (t) => {
  const { stack, part, read } = await createStack(t);
  await stack.start([part('kafka')]);
  await stack.start([part('sink'), part('enricher'), part('enricher-2'), part('fraud-detector'), part('ingest')]);
  await stack.start([part('traffic')]);
  await stack.stop();
  const stopped = (await read()).filter((line) => line.endsWith('down')).map((line) => line.split(' ')[0] ?? '');
  assert.deepEqual(stopped.slice(0, 2), ['traffic', 'ingest']);
  assert.deepEqual(stopped.slice(2, 4).sort(), ['enricher', 'enricher-2']);
  assert.deepEqual(stopped.slice(4), ['fraud-detector', 'sink', 'kafka']);
});

test('killing ends even a part that does not want to stop', async (t) => {
  const { stack, part, events } = await createStack(t);
  await stack.start([part('ingest', 'stubborn')]);
  const pid = stack.parts[0]?.pid ?? assert.fail('no process');
  const stopping = stack.stop();
  stack.kill();
  await stopping;
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  assert.equal(events.filter((event) => event.kind === 'died').length, 0);
});

test('a stop during the start ends what was started, and nothing starts after it', async (t) => {
  const { stack, part, read } = await createStack(t);
  const neverReady = { ...part('kafka'), isReady: async () => false };
  const starting = assert.rejects(stack.start([neverReady]), { code: 'part-failed' });
  while (!(await read()).includes('kafka up')) await delay(10);
  await stack.stop();
  await starting;
  await stack.start([part('ingest')]);
  assert.deepEqual(await read(), ['kafka up', 'kafka down']);
});
