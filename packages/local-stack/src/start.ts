// npm start: Kafka, ClickHouse and the five services on this machine, with live traffic.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { javaCommand, outsideParts, REPOSITORY_DIR } from './config.ts';
import { type DataLock, lockDataFolder } from './data-lock.ts';
import { LocalStackError } from './error.ts';
import { parseStartFlags, type StartFlags } from './flags.ts';
import { fetchKafkaJars, locateKafkaJars } from './kafka/jars.ts';
import { freePorts, type StackPorts, stackPorts } from './ports.ts';
import { checkDisk, checkJava, checkMaven, checkPorts } from './preflight.ts';
import { clickhousePart, type DataFolder, kafkaPart } from './store-parts.ts';
import { describeEvent, describeStack } from './supervisor/describe.ts';
import { listenPorts, type ServicePart, serviceParts, stackAddresses, trafficPart } from './supervisor/plan.ts';
import { createScreen } from './supervisor/screen.ts';
import { Stack } from './supervisor/stack.ts';
import { createStatus } from './supervisor/status.ts';

/** Where the line is rewritten in place, it should move; elsewhere it is printed every 10 s. */
const STATUS_MS = process.stdout.isTTY ? 1_000 : 5_000;
/** Parts of a run that was killed get this long to leave their ports. */
const LEFTOVERS_MS_MAX = 15_000;
/** One Ctrl-C arrives up to three times: from the terminal, from npm, from the script that npm runs. */
const SAME_CTRL_C_MS = 1_000;

const screen = createScreen(process.stdout);
const stack = new Stack((event) => {
  const line = describeEvent(event);
  if (line !== undefined) screen.print(line);
});
const stopped = new AbortController();
let lock: DataLock | undefined;
let firstSignalMs: number | undefined;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onStopSignal);
try {
  await run();
} catch (error) {
  if (!stopped.signal.aborted) {
    process.exitCode = 1;
    // What a person can mend is told in words; anything else is a fault of ours, and its stack helps to find it.
    screen.print(error instanceof LocalStackError ? `\n${error.message}` : String((error as Error).stack));
  }
} finally {
  await stack.stop();
  lock?.release();
  if (stopped.signal.aborted) screen.print('stopped; the data is kept');
}

async function run(): Promise<void> {
  const flags = parseStartFlags(process.argv.slice(2), join(REPOSITORY_DIR, '.millrace'));
  const startedMs = performance.now();
  const outside = outsideParts();
  const ports = stackPorts(flags.portBase);
  const addresses = stackAddresses(ports, outside);
  const folder = { dataDir: flags.dataDir, logsDir: join(flags.dataDir, 'logs') };

  lock = await lockDataFolder(flags.dataDir);
  await mkdir(folder.logsDir, { recursive: true });
  await preflight(flags, ports, lock.wasStale);

  screen.print('starting Kafka and ClickHouse');
  await startStores(ports, folder);
  if (stopped.signal.aborted) return;
  screen.print('starting the services');
  const extraMetricsPorts = await freePorts((flags.instances - 1) * 2);
  const services = serviceParts({ flags, ports, addresses, folder, extraMetricsPorts });
  await stack.start(services);
  if (stopped.signal.aborted) return;
  screen.print(`everything is up, ${((performance.now() - startedMs) / 1_000).toFixed(1)} s`);
  screen.print(
    describeStack({
      ports,
      addresses,
      isOwnMqtt: outside.mqttUrl === undefined,
      dataDir: flags.dataDir,
      traffic: flags.traffic,
    }),
  );
  // The traffic is not waited for: a fault of its own must not take the pipeline down.
  if (flags.traffic !== undefined)
    void stack.start([trafficPart({ traffic: flags.traffic, addresses, folder })]).catch(reportTraffic);
  await showStatus(services, addresses.api);
}

async function preflight(flags: StartFlags, ports: StackPorts, afterKill: boolean): Promise<void> {
  const outside = outsideParts();
  const ownKafka = outside.kafkaBrokers === undefined;
  const jars = await locateKafkaJars();
  await Promise.all([
    checkPorts(listenPorts(ports, outside), afterKill ? LEFTOVERS_MS_MAX : 0),
    checkDisk(flags.dataDir),
    ownKafka ? checkJava(javaCommand()) : undefined,
    ownKafka && !jars.present ? checkMaven() : undefined,
  ]);
}

/** Both at once: Kafka may first have to be fetched and formatted. */
async function startStores(ports: StackPorts, folder: DataFolder): Promise<void> {
  const outside = outsideParts();
  await Promise.all([
    outside.kafkaBrokers === undefined ? startKafka(ports, folder) : undefined,
    outside.clickhouseUrl === undefined ? stack.start([clickhousePart(folder, { port: ports.clickhouse })]) : undefined,
  ]);
}

async function startKafka(ports: StackPorts, folder: DataFolder): Promise<void> {
  const jarsDir = await fetchKafkaJars((line) => screen.print(line));
  const { kafka: broker, kafkaController: controller } = ports;
  await stack.start([await kafkaPart(folder, { jarsDir, broker, controller })]);
}

async function showStatus(services: readonly ServicePart[], api: string): Promise<void> {
  const status = createStatus({ services, api });
  while (!stopped.signal.aborted) {
    screen.status(await status.read(stack.parts));
    await delay(STATUS_MS, undefined, { signal: stopped.signal }).catch((error: unknown) => {
      if (!stopped.signal.aborted) throw error;
    });
  }
}

function reportTraffic(error: unknown): void {
  if (!stopped.signal.aborted) screen.print(`no simulated traffic: ${(error as Error).message}`);
}

function onStopSignal(): void {
  const nowMs = performance.now();
  if (firstSignalMs === undefined) {
    firstSignalMs = nowMs;
    screen.print('stopping, in order; Ctrl-C again stops at once');
    stopped.abort();
    void stack.stop();
  } else if (nowMs - firstSignalMs > SAME_CTRL_C_MS) {
    process.exitCode = 130;
    stack.kill();
  }
}
