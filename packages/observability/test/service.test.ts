import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const FIXTURE = fileURLToPath(new URL('fixtures/service.ts', import.meta.url));

interface Run {
  readonly child: ChildProcess;
  output(): string;
  /** Resolves once a line with this text was written. */
  says(text: string): Promise<void>;
  exit(): Promise<number | null>;
}

function run(t: TestContext, mode: string, env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, [FIXTURE, mode], {
    env: { ...process.env, MILLRACE_SUPERVISED: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const check of waiting) check();
    });
  }
  return {
    child,
    output: () => output,
    exit: () => exited,
    says: (text) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (!output.includes(text)) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
        void exited.then(() => reject(new Error(`ended without saying ${text}:\n${output}`)));
      }),
  };
}

test('SIGTERM closes resources in reverse order, one after the other, and exits 0', async (t) => {
  const service = run(t, 'normal');
  await service.says('"started"');
  service.child.kill('SIGTERM');
  assert.equal(await service.exit(), 0);
  const closed = [...service.output().matchAll(/^(?:closing|closed) .*$/gm)].map(([line]) => line);
  assert.deepEqual(closed, [
    'closing third',
    'closed third',
    'closing second',
    'closed second',
    'closing first',
    'closed first',
  ]);
});

test('a close that fails does not keep the others from closing, and the exit code tells', async (t) => {
  const service = run(t, 'close-fails');
  await service.says('"started"');
  service.child.kill('SIGTERM');
  assert.equal(await service.exit(), 1);
  assert.match(service.output(), /could not close/);
  assert.match(service.output(), /^closed first$/m);
});

test('an error that nobody caught closes resources and exits 1', async (t) => {
  const service = run(t, 'uncaught');
  assert.equal(await service.exit(), 1);
  assert.match(service.output(), /nobody caught this/);
  assert.match(service.output(), /^closed first$/m);
});

test('a start that fails closes what was opened and exits 1', async (t) => {
  const service = run(t, 'start-fails');
  assert.equal(await service.exit(), 1);
  assert.match(service.output(), /^closed first$/m);
});

test('a fault of the configuration is printed as it is, without a stack', async (t) => {
  const service = run(t, 'bad-config');
  assert.equal(await service.exit(), 1);
  assert.match(service.output(), /^fixture: The configuration has a fault:\n {2}PORT is not set\./m);
  assert.doesNotMatch(service.output(), /at loadConfig/);
});

test('SIGINT stops a service that is started by hand', async (t) => {
  const service = run(t, 'normal');
  await service.says('"started"');
  service.child.kill('SIGINT');
  assert.equal(await service.exit(), 0);
});

test('a supervised service ignores SIGINT and stops on SIGTERM', async (t) => {
  const service = run(t, 'normal', { MILLRACE_SUPERVISED: '1' });
  await service.says('"started"');
  service.child.kill('SIGINT');
  service.child.send('ping');
  await service.says('pong');
  service.child.kill('SIGTERM');
  assert.equal(await service.exit(), 0);
});

test('a service stops when the IPC channel to its supervisor breaks', async (t) => {
  const service = run(t, 'normal', { MILLRACE_SUPERVISED: '1' });
  await service.says('"started"');
  service.child.disconnect();
  assert.equal(await service.exit(), 0);
  assert.match(service.output(), /^closed first$/m);
});

test('what is opened while the service is stopping is closed too', async (t) => {
  const service = run(t, 'slow-start');
  await service.says('starting');
  service.child.kill('SIGTERM');
  assert.equal(await service.exit(), 0);
  assert.match(service.output(), /^closed late$/m);
});
