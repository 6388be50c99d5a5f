import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { samples } from '@millrace/contracts';
import { testStack } from '@millrace/local-stack';
import type { Letter, RedriveResult } from '../../src/redrive/letter.ts';
import { base64, createRedriveWorld, headerOf, paymentLetters } from './world.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const START_MS_MAX = 30_000;
const LETTERS_OF_EACH_KIND = 150;
/** Small, so that a kill meets many transactions. */
const LETTERS_PER_REQUEST = 12;
const KILLS = 4;
/** From the first request, or the first answer, to the kill; a request takes about a tenth of a second. */
const KILL_AFTER_MS_MAX = 1_000;

test('killed with -9 again and again while two instances redrive the same letters, each letter is sent exactly once', async (t) => {
  const { prefix, topics, readTopic } = await createRedriveWorld(t);
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`seed ${seed}`);
  const random = randomFrom(seed);
  const letters = [...paymentLetters(topics.paymentsRaw.name, LETTERS_OF_EACH_KIND), ...readingLetters()];
  const settled = new Map<string, RedriveResult['status']>();
  let kills = 0;

  /** Sends what is not settled yet, in an order of its own, until the service dies or all is said. */
  async function redriveAll(url: string, onAnswer: () => void): Promise<void> {
    const open = letters.filter(({ id }) => !settled.has(id)).sort(() => random() - 0.5);
    for (let at = 0; at < open.length; at += LETTERS_PER_REQUEST) {
      const results = await ask(url, open.slice(at, at + LETTERS_PER_REQUEST));
      if (results === undefined) return;
      for (const { id, status } of results) settled.set(id, status);
      onAnswer();
    }
    onAnswer();
  }

  while (settled.size < letters.length || kills < KILLS) {
    const services = await Promise.all([startIngest(t, prefix), startIngest(t, prefix)]);
    const { promise: answered, resolve: onAnswer } = Promise.withResolvers<void>();
    const done = Promise.all(services.map(({ url }) => redriveAll(url, onAnswer)));
    if (kills < KILLS) {
      // Some meet the first transaction, others what follows.
      if (kills % 2 === 1) await answered;
      await sleep(random() * KILL_AFTER_MS_MAX);
      for (const { process: child } of services) child.kill('SIGKILL');
      kills += 1;
      t.diagnostic(`kill ${kills} when ${settled.size} of ${letters.length} letters were settled`);
      // What was sent and not answered is asked for again, also what was answered: a client may have lost it all.
      if (random() < 0.5) settled.clear();
    }
    await done;
    for (const { process: child } of services) child.kill('SIGKILL');
  }

  const others = [...settled.values()].filter((status) => status !== 'redriven' && status !== 'already-redriven');
  assert.deepEqual(others, []);
  const idsIn = async (topic: { name: string }) => (await readTopic(topic)).map((one) => headerOf(one, 'event_id'));
  const numbers = Array.from({ length: LETTERS_OF_EACH_KIND }, (_, index) => index);
  assert.deepEqual((await idsIn(topics.paymentsRaw)).sort(), numbers.map((n) => `t-${n}`).sort());
  const readingIds = numbers.map((n) => `d-1:${READ_AT_MS}:${n}`);
  assert.deepEqual((await idsIn(topics.telemetryRaw)).sort(), readingIds.sort());
  const marks = (await readTopic(topics.deadLettersRedriven)).map(({ key }) => key?.toString());
  assert.deepEqual(marks.sort(), letters.map(({ id }) => id).sort());
});

const READ_AT_MS = Date.now() - 60_000;

/** Messages of a device that were too far ahead of their time when they came. */
function readingLetters(): Letter[] {
  return Array.from({ length: LETTERS_OF_EACH_KIND }, (_, sequence) => ({
    id: `00000000-0000-4000-8000-${String(sequence).padStart(12, '0')}`,
    origin: { kind: 'mqtt', topic: 'devices/d-1/telemetry', device_id: 'd-1' },
    stages: ['ingest'],
    value_base64: base64({ ...samples.telemetry, device_id: 'd-1', event_time: READ_AT_MS, sequence }),
    failed_at: READ_AT_MS - 3_600_000,
  }));
}

/** `undefined` when the service is gone. */
async function ask(url: string, letters: readonly Letter[]): Promise<readonly RedriveResult[] | undefined> {
  for (;;) {
    let answer: Response;
    try {
      answer = await fetch(`${url}/v1/redrive`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ letters }),
      });
      if (answer.status === 200) return ((await answer.json()) as { results: RedriveResult[] }).results;
    } catch {
      return undefined;
    }
    // Others redrive, or a transaction of somebody who was killed is still open.
    assert.equal(answer.status, 503, await answer.text());
    await sleep(100);
  }
}

async function startIngest(t: TestContext, prefix: string): Promise<{ url: string; process: ChildProcess }> {
  const env = {
    ...process.env,
    KAFKA_BROKERS: testStack().kafkaBrokers.join(','),
    TOPIC_PREFIX: prefix,
    ...{ HTTP_PORT: '0', METRICS_PORT: '0', MQTT_PORT: '0', MQTT_WS_PORT: '0' },
  };
  const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => {
    if (child.exitCode === null) child.kill('SIGKILL');
  });
  const timeout = setTimeout(() => child.kill('SIGKILL'), START_MS_MAX);
  let log = '';
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    log += chunk;
    const line = log.split('\n').find((text) => text.includes('taking events'));
    if (line === undefined) continue;
    clearTimeout(timeout);
    child.stdout.resume();
    return { url: (JSON.parse(line) as { http: string }).http, process: child };
  }
  throw new Error(`ingest did not start: ${log}`);
}

/** Mulberry32: the same numbers for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
