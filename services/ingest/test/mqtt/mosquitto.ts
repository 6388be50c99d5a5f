import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

export interface MosquittoOptions {
  /** Lines of its configuration, beside the listener. */
  readonly lines?: readonly string[];
  /** Files beside its configuration, by name. */
  readonly files?: Readonly<Record<string, Buffer>>;
  /** With TLS the listener needs more than its port. */
  readonly protocol?: 'mqtt' | 'mqtts';
}

export interface Mosquitto {
  readonly url: string;
  /** Ends it, by SIGTERM or the signal that is given, and starts it again where it was. */
  restart(signal?: NodeJS.Signals, lines?: readonly string[]): Promise<void>;
}

/** Keeps sessions and messages on disk, as soon as they change: also a broker that was killed has them. */
export const PERSISTENT: MosquittoOptions = {
  lines: ['persistence true', 'autosave_on_changes true', 'autosave_interval 1', 'max_queued_messages 100000'],
};

const START_MS_MAX = 10_000;
/** Started by root, it would become a user that cannot write to the folder. */
const DEFAULT_LINES = [`user ${userInfo().username}`, 'allow_anonymous true', 'max_inflight_messages 200'];

/** A real Mosquitto for one test, on a free port of loopback. Fails when it is not installed: it is never skipped. */
export async function createMosquitto(t: TestContext, options: MosquittoOptions = {}): Promise<Mosquitto> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'mosquitto-'));
  const configFile = join(folder, 'mosquitto.conf');
  for (const [name, content] of Object.entries(options.files ?? {})) await writeFile(join(folder, name), content);
  let broker: ChildProcess | undefined;

  async function start(lines: readonly string[]): Promise<void> {
    const text = [`listener ${port} 127.0.0.1`, `persistence_location ${folder}/`, ...DEFAULT_LINES, ...lines].join(
      '\n',
    );
    await writeFile(configFile, `${text.replaceAll('{folder}', folder)}\n`);
    // Debian puts it where only root's PATH looks.
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` };
    broker = spawn('mosquitto', ['-c', configFile], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    await Promise.race([accepting(port), failed(broker)]);
  }

  // In this order: while it runs it writes into the folder.
  t.after(async () => {
    await stop(broker, 'SIGTERM');
    await rm(folder, { recursive: true });
  });
  await start(options.lines ?? []);
  return {
    url: `${options.protocol ?? 'mqtt'}://${options.protocol === 'mqtts' ? 'localhost' : '127.0.0.1'}:${port}`,
    async restart(signal = 'SIGTERM', lines = options.lines ?? []) {
      await stop(broker, signal);
      await start(lines);
    },
  };
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

async function stop(broker: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (broker === undefined || broker.exitCode !== null || broker.signalCode !== null) return;
  if (broker.pid === undefined) return;
  const exited = once(broker, 'exit');
  broker.kill(signal);
  await exited;
}
