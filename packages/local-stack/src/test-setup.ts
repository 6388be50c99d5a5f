// The global setup of the test run (`node --test --test-global-setup`): one Kafka and one ClickHouse for all tests, on
// free ports, with a data folder that is removed at the end. What is there already is used and left alone.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publishTestStack, testStackAddresses } from './config.ts';
import { fetchKafkaJars } from './kafka/jars.ts';
import { freePorts } from './ports.ts';
import { clickhousePart, kafkaPart } from './store-parts.ts';
import { Part } from './supervisor/part.ts';

const STOP_MS_MAX = 10_000;

let parts: Part[] = [];
let dataDir: string | undefined;

export async function globalSetup(): Promise<void> {
  const given = testStackAddresses();
  if (given.kafka !== undefined && given.clickhouse !== undefined) return;
  const startedMs = performance.now();
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  const folder = { dataDir, logsDir: join(dataDir, 'logs') };
  await mkdir(folder.logsDir);
  const jarsDir = await fetchKafkaJars((line) => console.error(line));
  const [broker, controller, clickhouse] = (await freePorts(3)) as [number, number, number];
  parts = [
    new Part(await kafkaPart(folder, { jarsDir, broker, controller })),
    new Part(clickhousePart(folder, { port: clickhouse })),
  ];
  try {
    await Promise.all(parts.map((part) => part.start()));
  } catch (error) {
    await globalTeardown();
    throw error;
  }
  publishTestStack({ kafka: `127.0.0.1:${broker}`, clickhouse: `http://127.0.0.1:${clickhouse}` });
  console.error(`Kafka and ClickHouse are up for the tests, ${((performance.now() - startedMs) / 1_000).toFixed(1)} s`);
}

export async function globalTeardown(): Promise<void> {
  await Promise.all(parts.map((part) => part.stop(STOP_MS_MAX)));
  if (dataDir !== undefined) await rm(dataDir, { recursive: true, force: true });
}
