import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createTopics } from '@millrace/contracts';
import { fetchKafkaJars, kafkaPart, Part } from '@millrace/local-stack';
import { freePortBase, get, randomOf, readCommitted, residentMib } from '@millrace/test-platform';
import { sendPayments } from './http-sender.ts';
import { idOf, Ledger } from './ledger.ts';
import { publishReadings } from './mqtt-sender.ts';
import { type Verdict, verify } from './verify.ts';

export interface DrillOptions {
  /** How often ingest is killed with -9. */
  readonly kills: number;
  readonly seed: number;
  /** Empty, of this drill alone. */
  readonly dataDir: string;
  readonly say: (line: string) => void;
}

export interface DrillResult {
  readonly ok: boolean;
  readonly seed: number;
  readonly kills: number;
  readonly brokerRestarts: number;
  readonly payments: Verdict;
  readonly readings: Verdict;
  /** The largest resident memory of ingest that was seen, also while Kafka was away. */
  readonly rssMibPeak: number;
  readonly problems: readonly string[];
}

const INGEST_MAIN = fileURLToPath(new URL('../../services/ingest/src/main.ts', import.meta.url));
const REPOSITORY_DIR = fileURLToPath(new URL('../..', import.meta.url));
const SHOPS = 24;
const DEVICES = 40;
const DEVICES_QOS2_EVERY = 4;
const PARTITIONS = 4;
/** A kill comes at any moment of this time after ingest is ready again. */
const MOMENT_MS = { from: 200, to: 2_500 };
/** Shorter and longer than ingest waits for a confirmation (5 s). */
const BROKER_AWAY_MS = { from: 1_000, to: 8_000 };
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 30_000;
const MEMORY_EVERY_MS = 500;
const RSS_MIB_MAX = 600;

/**
 * Ingest and Kafka alone, under as much load as they take, from senders that never send an event twice: whatever is
 * killed, everything that was acknowledged is in the raw topics.
 */
export async function drill({ kills, seed, dataDir, say }: DrillOptions): Promise<DrillResult> {
  const random = randomOf(seed);
  say(`seed ${seed}, ${kills} kills of ingest, two restarts of Kafka under it`);
  const ports = await freePortBase();
  const folder = { dataDir, logsDir: join(dataDir, 'logs') };
  await mkdir(folder.logsDir, { recursive: true });
  const broker = { broker: ports + 5, controller: ports + 6 };
  const kafkaOptions = await kafkaPart(folder, { jarsDir: await fetchKafkaJars(say), ...broker });
  let kafka = new Part(kafkaOptions);
  const ingest = new Part(ingestPart(folder.logsDir, ports));
  const stop = new AbortController();
  const payments = new Ledger();
  const readings = new Ledger();
  let rssMibPeak = 0;
  const memory = setInterval(() => {
    rssMibPeak = Math.max(rssMibPeak, residentMib().get(ingest.pid ?? 0) ?? 0);
  }, MEMORY_EVERY_MS);
  try {
    await kafka.start();
    await ingest.start();
    let failure: unknown;
    const senders = [
      ...Array.from({ length: SHOPS }, (_, index) =>
        sendPayments(`http://127.0.0.1:${ports}`, `shop-${index}`, payments, randomOf(seed + index), stop.signal),
      ),
      ...Array.from({ length: DEVICES }, (_, index) => {
        const qos = index % DEVICES_QOS2_EVERY === 0 ? 2 : 1;
        return publishReadings(ports + 2, `device-${index}`, qos, readings, randomOf(seed + index), stop.signal);
      }),
    ].map((sending) =>
      sending.catch((error: unknown) => {
        failure ??= error;
        stop.abort();
      }),
    );

    const brokerRestarts = new Map<number, 'SIGKILL' | 'SIGTERM'>([
      [Math.floor(kills / 3), 'SIGKILL'],
      [Math.floor((2 * kills) / 3), 'SIGTERM'],
    ]);
    for (let kill = 0; kill < kills && !stop.signal.aborted; kill++) {
      const how = brokerRestarts.get(kill);
      if (how !== undefined) {
        const awayMs = between(BROKER_AWAY_MS, random);
        say(`Kafka ends by ${how} for ${(awayMs / 1_000).toFixed(1)} s`);
        if (how === 'SIGKILL') kafka.kill();
        await kafka.stop(how === 'SIGKILL' ? 0 : STOP_MS_MAX);
        await sleep(awayMs);
        kafka = new Part(kafkaOptions);
        await kafka.start();
      }
      await untilReady(ports);
      await sleep(between(MOMENT_MS, random));
      const counts = `${payments.acknowledged.size} payments and ${readings.acknowledged.size} readings acknowledged`;
      say(`kill ${kill + 1} of ${kills}; ${counts}`);
      ingest.kill();
    }
    if (!stop.signal.aborted) await untilReady(ports);
    await sleep(MOMENT_MS.to);
    stop.abort();
    await Promise.all(senders);
    if (failure !== undefined) throw failure;

    say('reading the raw topics');
    const address = `127.0.0.1:${broker.broker}`;
    const topics = createTopics();
    const verdicts = {
      payments: verify(payments, await idsIn(address, topics.paymentsRaw.name, (value) => value.transaction_id)),
      readings: verify(
        readings,
        await idsIn(address, topics.telemetryRaw.name, (value) => idOf(value.device_id, value.sequence)),
      ),
    };
    const problems = [...verdicts.payments.problems, ...verdicts.readings.problems];
    if (rssMibPeak > RSS_MIB_MAX) problems.push(`ingest took ${rssMibPeak} MiB; ${RSS_MIB_MAX} are its bound`);
    if (ingest.restarts !== kills) problems.push(`ingest ended ${ingest.restarts} times and was killed ${kills} times`);
    const enough = Object.values(verdicts).every(({ acknowledged }) => acknowledged > 0);
    if (!enough) problems.push('nothing was acknowledged, so nothing was tested');
    return {
      ok: problems.length === 0,
      seed,
      kills,
      brokerRestarts: brokerRestarts.size,
      ...verdicts,
      rssMibPeak,
      problems,
    };
  } finally {
    clearInterval(memory);
    stop.abort();
    await ingest.stop(STOP_MS_MAX);
    await kafka.stop(STOP_MS_MAX);
  }
}

function ingestPart(logsDir: string, ports: number): ConstructorParameters<typeof Part>[0] {
  return {
    name: 'ingest',
    program: { kind: 'node', file: INGEST_MAIN, args: [] },
    env: {
      HOST: '127.0.0.1',
      KAFKA_BROKERS: `127.0.0.1:${ports + 5}`,
      TOPIC_PARTITIONS: String(PARTITIONS),
      HTTP_PORT: String(ports),
      MQTT_PORT: String(ports + 2),
      MQTT_WS_PORT: String(ports + 3),
      METRICS_PORT: String(ports + 11),
      LOG_LEVEL: 'info',
    },
    cwd: REPOSITORY_DIR,
    logFile: join(logsDir, 'ingest.log'),
    isReady: () => isReady(ports),
    // It is killed on purpose, so there is nothing to back off from.
    timing: { restartMsMin: 50, restartMsMax: 50 },
  };
}

async function isReady(ports: number): Promise<boolean> {
  try {
    return (await get(`http://127.0.0.1:${ports + 11}/health/ready`)).status === 200;
  } catch {
    return false; // nobody listens yet
  }
}

async function untilReady(ports: number): Promise<void> {
  const deadlineMs = performance.now() + READY_MS_MAX;
  while (!(await isReady(ports))) {
    if (performance.now() > deadlineMs) throw new Error(`ingest is not ready after ${READY_MS_MAX} ms`);
    await sleep(50);
  }
}

/** Of a payment and of a reading, what makes their ids. */
interface RawEvent {
  readonly transaction_id: string;
  readonly device_id: string;
  readonly sequence: number;
}

/** The ids of a topic, partition by partition, in the order of their offsets. */
async function idsIn(kafka: string, topic: string, idOfValue: (value: RawEvent) => string): Promise<string[][]> {
  const partitions = new Map<number, string[]>();
  await readCommitted(kafka, [topic], ({ partition, value }) => {
    const ids = partitions.get(partition) ?? [];
    partitions.set(partition, ids);
    ids.push(idOfValue(JSON.parse(String(value))));
  });
  return [...partitions.values()];
}

function between({ from, to }: { readonly from: number; readonly to: number }, random: () => number): number {
  return from + Math.floor(random() * (to - from));
}
