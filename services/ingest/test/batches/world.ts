import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { allTopics, createTopics, ensureTopics } from '@millrace/contracts';
import { createKafka, type InRecord } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger } from '@millrace/observability';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const LOAD = fileURLToPath(new URL('../../../../packages/simulator/src/load.ts', import.meta.url));
const START_MS_MAX = 60_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Topics of its own in the real Kafka, a folder for files, and processes that end with the test. */
export async function createBatchWorld(t: TestContext) {
  const prefix = `batches-${randomUUID().slice(0, 8)}.`;
  const topics = createTopics({ prefix });
  const logger = createLogger({ service: 'test', level: 'silent' });
  const kafka = createKafka({ brokers: testStack().kafkaBrokers, clientId: prefix, logger });
  const admin = await kafka.admin();
  await ensureTopics(admin, topics);
  const folder = await mkdtemp(join(tmpdir(), 'batches-test-'));
  const children = new Set<ChildProcess>();
  t.after(async () => {
    await Promise.all([...children].map(kill));
    await admin.deleteTopics(allTopics(topics).map(({ name }) => name));
    await admin.close();
    await rm(folder, { recursive: true });
  });

  function start(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const child = spawn(process.execPath, [file, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(child);
    child.once('exit', () => children.delete(child));
    return child;
  }

  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Ingest as a process of its own; resolves when it takes events. */
  async function startIngest(port: number): Promise<ChildProcess> {
    const child = start(MAIN, [], {
      KAFKA_BROKERS: testStack().kafkaBrokers.join(','),
      TOPIC_PREFIX: prefix,
      ...{ HTTP_PORT: String(port), METRICS_PORT: '0', MQTT_PORT: '0', MQTT_WS_PORT: '0' },
    });
    const timeout = setTimeout(() => child.kill('SIGKILL'), START_MS_MAX);
    child.stderr?.pipe(process.stderr);
    let log = '';
    for await (const chunk of child.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
      log += chunk;
      if (!log.includes('taking events')) continue;
      clearTimeout(timeout);
      child.stdout?.resume();
      return child;
    }
    throw new Error(`ingest did not start: ${log}`);
  }

  /** `npm run load` with these arguments. */
  function startLoader(args: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
    const child = start(LOAD, args);
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) child[name]?.on('data', (chunk) => (texts[name] += chunk));
    const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, ...texts }));
    return { child, ended };
  }

  /** Everything that is committed in a topic, partition by partition, in order. */
  async function readTopic(name: string): Promise<InRecord[]> {
    const reader = await kafka.reader({ isolation: 'read_committed' });
    const missing = new Map((await admin.offsets(name)).map(({ partition, end }) => [partition, end]));
    reader.assign([...missing.keys()].map((partition) => ({ topic: name, partition, offset: 'start' })));
    const records: InRecord[] = [];
    while (missing.size > 0) {
      for (const batch of await reader.poll({ maxWaitMs: 200 })) {
        records.push(...batch.records);
        if (batch.nextOffset >= (missing.get(batch.partition) ?? 0)) missing.delete(batch.partition);
      }
    }
    await reader.close();
    return records;
  }

  return { prefix, topics, kafka, admin, folder, startIngest, startLoader, kill, readTopic };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Mulberry32: the same numbers for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
