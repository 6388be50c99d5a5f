import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Mosquitto {
  readonly url: string;
}

const START_MS_MAX = 10_000;

/** A real Mosquitto for one test, on a free port of loopback. Fails when it is not installed: it is never skipped. */
export async function createMosquitto(t: TestContext): Promise<Mosquitto> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'mosquitto-'));
  t.after(() => rm(folder, { recursive: true }));
  const configFile = join(folder, 'mosquitto.conf');
  await writeFile(configFile, `listener ${port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 200\n`);
  // Debian puts it where only root's PATH looks.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` };
  const broker = spawn('mosquitto', ['-c', configFile], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  t.after(() => stop(broker));
  await Promise.race([accepting(port), failed(broker)]);
  return { url: `mqtt://127.0.0.1:${port}` };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function failed(broker: ChildProcess): Promise<never> {
  let log = '';
  broker.stderr?.on('data', (chunk) => {
    log += chunk;
  });
  const [reason] = await Promise.race([once(broker, 'exit'), once(broker, 'error').catch((error) => [error])]);
  if (reason?.code === 'ENOENT') {
    throw new Error(
      'This test needs Mosquitto. Install it with `apt-get install -y mosquitto` or `brew install mosquitto`.',
    );
  }
  throw new Error(`Mosquitto did not start (${reason}): ${log}`);
}

async function accepting(port: number): Promise<void> {
  const deadlineMs = performance.now() + START_MS_MAX;
  while (performance.now() < deadlineMs) {
    const socket = connect(port, '127.0.0.1');
    const connected = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (connected) return;
    await sleep(20);
  }
  throw new Error(`Mosquitto does not listen after ${START_MS_MAX} ms.`);
}

async function stop(broker: ChildProcess): Promise<void> {
  if (broker.exitCode !== null || broker.pid === undefined) return;
  const exited = once(broker, 'exit');
  broker.kill();
  await exited;
}
