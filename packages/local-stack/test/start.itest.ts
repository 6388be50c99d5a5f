// `npm start` as a stranger sees it: its flags, its ports, its signals. Everything runs in a process group of its own.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isPortFree, PORT_OFFSET_MAX } from '../src/ports.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const WAIT_MS_MAX = 90_000;
const STOP_MS_MAX = 10_000;

test('everything comes up, decides, survives a kill, stops in order on Ctrl-C, and goes on with the same data', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-start-'));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const base = await freePortBase();
  const first = await start(t, base, dataDir);

  await post(base, 'before-kill');
  assert.equal((await decisionOf(base, 'before-kill')).decision, 'approve');

  const second = run(t, ['--port-base', String(base), '--data', dataDir, '--no-traffic']);
  assert.match(await second.ended, /in use by another run \(process \d+\).*--data DIR/);
  assert.equal(second.child.exitCode, 1);

  const elsewhere = await mkdtemp(join(tmpdir(), 'millrace-start-'));
  t.after(() => rm(elsewhere, { recursive: true, force: true }));
  const third = run(t, ['--port-base', String(base), '--data', elsewhere, '--no-traffic']);
  assert.match(await third.ended, new RegExp(`Taken by another program: port ${base} \\(ingest HTTP\\)`));

  for (const service of ['enricher', 'fraud-detector', 'sink'])
    process.kill(pidOf(first.child, `services/${service}/`), 'SIGKILL');
  await until(() => (first.output().match(/died \(signal SIGKILL\), restarting in 250 ms/g) ?? []).length === 3);
  await post(base, 'after-kill');
  assert.equal((await decisionOf(base, 'after-kill')).decision, 'approve');

  await interrupt(first);

  const again = await start(t, base, dataDir);
  assert.equal((await decisionOf(base, 'before-kill')).transaction_id, 'before-kill');
  await post(base, 'after-restart');
  assert.equal((await decisionOf(base, 'after-restart')).decision, 'approve');
  const { payments } = await getJson(`http://127.0.0.1:${base + 7}/?query=${encodeURIComponent(COUNTS)}`);
  assert.deepEqual(payments, [3, 3]);
  await interrupt(again);
});

const COUNTS =
  'SELECT [count(), uniqExact(transaction_id)] AS payments FROM millrace.payments FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 0';

interface Run {
  readonly child: ChildProcess;
  output(): string;
  /** Resolves to all that it said when it has ended. */
  readonly ended: Promise<string>;
}

function run(t: TestContext, args: readonly string[]): Run {
  const child = spawn(process.execPath, ['packages/local-stack/src/start.ts', ...args], { cwd: ROOT, detached: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  t.after(() => killGroup(child));
  return { child, output: () => output, ended: once(child, 'close').then(() => output) };
}

async function start(t: TestContext, base: number, dataDir: string): Promise<Run> {
  const started = run(t, ['--port-base', String(base), '--data', dataDir, '--no-traffic']);
  await until(() => {
    assert.equal(started.child.exitCode, null, started.output());
    return started.output().includes('everything is up');
  });
  return started;
}

/** Ctrl-C: the whole group gets it, and is gone within 10 s. */
async function interrupt({ child, ended }: Run): Promise<void> {
  const startedMs = performance.now();
  process.kill(-groupOf(child), 'SIGINT');
  const output = await ended;
  assert.ok(performance.now() - startedMs < STOP_MS_MAX, output);
  assert.equal(child.exitCode, 0, output);
  assert.doesNotMatch(output, /did not stop in time/);
  assert.deepEqual(processesOf(child), []);
}

async function post(base: number, transactionId: string): Promise<void> {
  const payment = {
    transaction_id: transactionId,
    event_time: Date.now(),
    customer_id: 'customer-1',
    card_id: 'card-1',
    merchant_id: 'merchant-1',
    amount: '12.50',
    currency: 'EUR',
    country: 'PT',
    channel: 'pos',
  };
  const response = await fetch(`http://127.0.0.1:${base}/v1/payments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(payment),
  });
  assert.equal(response.status, 202, await response.text());
}

async function decisionOf(base: number, transactionId: string) {
  const url = `http://127.0.0.1:${base + 1}/v1/decisions/${transactionId}`;
  let found = await fetch(url);
  await until(async () => {
    if (found.ok) return true;
    found = await fetch(url);
    return found.ok;
  });
  return Object(await found.json());
}

async function getJson(url: string) {
  const response = await fetch(url);
  assert.ok(response.ok, url);
  return Object(await response.json());
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS_MAX;
  while (!(await condition())) {
    assert.ok(performance.now() < deadlineMs, `not within ${WAIT_MS_MAX} ms: ${condition}`);
    await delay(100);
  }
}

async function freePortBase(): Promise<number> {
  while (true) {
    const base = 30_000 + Math.floor(Math.random() * 20_000);
    const ports = Array.from({ length: PORT_OFFSET_MAX + 1 }, (_, offset) => base + offset);
    if ((await Promise.all(ports.map((port) => isPortFree(port)))).every(Boolean)) return base;
  }
}

function groupOf(child: ChildProcess): number {
  return child.pid ?? assert.fail('it was never started');
}

/** Process number and command line of what lives in the group of a run. */
function processesOf(child: ChildProcess): { pid: number; command: string }[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,pgid=,stat=,args='], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const [, pid, group, state, command = ''] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    // A zombie has ended, and waits for whoever adopted it.
    return Number(group) === groupOf(child) && !state?.startsWith('Z') ? [{ pid: Number(pid), command }] : [];
  });
}

function pidOf(child: ChildProcess, commandPart: string): number {
  const found = processesOf(child).find(({ command }) => command.includes(commandPart));
  return found?.pid ?? assert.fail(`no process of ${commandPart}`);
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-groupOf(child), 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
