import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LocalStackError } from '../../src/error.ts';
import { nextRestartMs, Part, type PartEvent, type PartOptions, type PartTiming } from '../../src/supervisor/part.ts';

const QUICK: Partial<PartTiming> = { restartMsMin: 10, restartMsMax: 40, readyPollMs: 10, startMsMax: 20_000 };

/** A part whose program is `source`, run by Node with `readyFile` as its argument; ready when that file exists. */
async function createPart(t: TestContext, source: string, options: Partial<PartOptions> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-part-'));
  const file = join(dir, 'program.mjs');
  const readyFile = join(dir, 'ready');
  await writeFile(file, source);
  const events: PartEvent[] = [];
  const part = new Part({
    name: 'dummy',
    program: { kind: 'node', file, args: [readyFile] },
    env: {},
    cwd: dir,
    logFile: join(dir, 'dummy.log'),
    isReady: async () => existsSync(readyFile),
    timing: QUICK,
    onEvent: (event) => events.push(event),
    ...options,
  });
  t.after(async () => {
    await part.stop(100);
    await rm(dir, { recursive: true, force: true });
  });
  return { part, dir, readyFile, events };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(10);
}

const LIVES = `import { writeFileSync } from 'node:fs';
console.log('SIGINT is mine to ignore:', process.env.MILLRACE_SUPERVISED);
writeFileSync(process.argv[2], String(process.pid));
process.once('disconnect', () => process.exit(0));
setInterval(() => {}, 1000);`;

test('a part that is killed is started again, and stays stopped once it was stopped', async (t) => {
  const { part, events } = await createPart(t, LIVES);
  await part.start();
  const firstPid = part.pid;
  assert.ok(firstPid);
  process.kill(firstPid, 'SIGKILL');
  await until(() => part.restarts === 1 && part.state === 'ready');
  assert.notEqual(part.pid, firstPid);
  await part.stop(5_000);
  assert.equal(part.state, 'stopped');
  assert.deepEqual(
    events.map((event) => event.kind),
    ['ready', 'died', 'ready', 'stopped'],
  );
  assert.deepEqual(events[1], { kind: 'died', part: 'dummy', reason: 'signal SIGKILL', restartInMs: 10 });
});

test('a part is told that it is supervised, and its output is in its log', async (t) => {
  const { part, dir } = await createPart(t, LIVES);
  await part.start();
  await part.stop(5_000);
  assert.equal(await readFile(join(dir, 'dummy.log'), 'utf8'), 'SIGINT is mine to ignore: 1\n');
});

test('a part that does not end when it is asked to is made to', async (t) => {
  const { part, events } = await createPart(t, `process.on('SIGTERM', () => {});\n${LIVES}`);
  await part.start();
  await part.stop(50);
  assert.deepEqual(events.at(-1), { kind: 'stopped', part: 'dummy', forced: true });
});

test('a part that ends before it was ever ready fails the start, with the last lines of its log', async (t) => {
  const { part, events } = await createPart(t, `console.error('the port is in use'); process.exit(3);`);
  await assert.rejects(part.start(), (error) => {
    assert.ok(error instanceof LocalStackError);
    assert.equal(error.code, 'part-failed');
    assert.match(error.message, /ended before it was ready \(exit code 3\), 3 times/);
    assert.match(error.message, /the port is in use/);
    return true;
  });
  assert.deepEqual(
    events.map((event) => (event.kind === 'died' ? event.restartInMs : event.kind)),
    [10, 20],
  );
});

test('a part that never becomes ready fails the start and is not left running', async (t) => {
  const { part } = await createPart(t, 'setInterval(() => {}, 1000);', { timing: { ...QUICK, startMsMax: 300 } });
  const failed = assert.rejects(part.start(), { code: 'start-timeout' });
  const pid = part.pid;
  await failed;
  await until(() => part.state === 'stopped');
  assert.ok(pid);
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

test('a program that is not Node ignores Ctrl-C and ends on SIGTERM', async (t) => {
  const { dir, readyFile } = await createPart(t, '');
  const native = new Part({
    name: 'native',
    program: { kind: 'native', command: 'sh', args: ['-c', `echo $$ > '${readyFile}'; while :; do sleep 0.1; done`] },
    env: {},
    cwd: dir,
    logFile: `${readyFile}.log`,
    isReady: async () => existsSync(readyFile),
    timing: QUICK,
  });
  t.after(() => native.stop(100));
  await native.start();
  const { pid } = native;
  assert.ok(pid);
  process.kill(pid, 'SIGINT');
  await delay(200);
  assert.equal(native.state, 'ready');
  assert.equal(native.pid, pid);
  await native.stop(5_000);
  assert.equal(native.state, 'stopped');
});

test('both kinds of program end when the process that started them is killed', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-part-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const program = join(dir, 'lives.mjs');
  await writeFile(program, LIVES);
  const child = new URL('../../src/supervisor/child.ts', import.meta.url).pathname;
  const supervisor = join(dir, 'supervisor.mjs');
  await writeFile(
    supervisor,
    `import { spawnChild } from ${JSON.stringify(child)};
    const options = { env: {}, cwd: ${JSON.stringify(dir)}, logFile: ${JSON.stringify(join(dir, 'log'))} };
    const children = [
      spawnChild({ kind: 'node', file: ${JSON.stringify(program)}, args: [${JSON.stringify(join(dir, 'up'))}] }, options),
      spawnChild({ kind: 'native', command: 'sleep', args: ['600'] }, options),
    ];
    process.send(children.map((one) => one.pid));`,
  );
  const parent = fork(supervisor);
  const pids = await new Promise<number[]>((resolve) =>
    parent.once('message', (message) => resolve(message as number[])),
  );
  assert.equal(pids.length, 2);
  await until(() => existsSync(join(dir, 'up')));
  parent.kill('SIGKILL');
  await until(() => pids.every((pid) => !isAlive(pid)));
});

test('the wait before a restart doubles up to its limit, and begins anew after a healthy time', () => {
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) waits.push(nextRestartMs(waits.at(-1), 1_000));
  assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  assert.equal(nextRestartMs(10_000, 29_999), 10_000);
  assert.equal(nextRestartMs(10_000, 30_000), 250);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
  // An orphan that has ended may stay a zombie where the first process of a container does not collect it.
  const stat = `/proc/${pid}/stat`;
  return !(existsSync(stat) && readFileSync(stat, 'utf8').includes(') Z '));
}
