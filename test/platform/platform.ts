import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { eventually } from './eventually.ts';
import { type ProcessGroup, startGroup } from './process-group.ts';

export const SERVICES = ['ingest', 'enricher', 'fraud-detector', 'sink', 'api'] as const;
export type Service = (typeof SERVICES)[number];

/** What a terminal runs for `npm start` and `npm run reset`, without npm. */
export const START = 'packages/local-stack/src/start.ts';
export const RESET = 'packages/local-stack/src/reset.ts';

/** Below the ports that a system gives to clients (from 32768 on Linux), so that none is taken in between. */
const PORT_BASE_MIN = 10_000;
const PORT_BASE_MAX = 31_000;
export const PORTS = 16;
/** The first start in a fresh clone also fetches Kafka. */
const START_MS_MAX = 180_000;

export interface Place {
  readonly dataDir: string;
  readonly portBase: number;
  /** Processes each of enricher and fraud-detector; 1 when it is left out. */
  readonly instances?: number;
  /** Kafka and ClickHouse that are there already, as `npm start` takes them from the environment. */
  readonly stores?: { readonly kafka: string; readonly clickhouse: string };
}

/** A running platform, by the addresses that `npm start -- --port-base N` gives it. */
export interface Platform extends Place {
  readonly group: ProcessGroup;
  readonly ingest: string;
  readonly api: string;
  readonly mqtt: string;
  readonly kafka: string;
  readonly clickhouse: string;
  /** Of a service's own port for `/metrics` and `/health`. */
  admin(service: Service): string;
  /** The process of a service (the first of several); it is another one after each restart. */
  pidOf(service: Service): number;
  /** All processes of a service that run now. */
  pidsOf(service: Service): number[];
}

/** Starts the platform as `npm start` does, without traffic, and resolves when it says that everything is up. */
export async function startPlatform(place: Place): Promise<Platform> {
  const { stores } = place;
  const env = stores === undefined ? {} : { KAFKA_BROKERS: stores.kafka, CLICKHOUSE_URL: stores.clickhouse };
  const group = startGroup(START, startFlags(place), { ownDir: place.dataDir, env });
  try {
    await eventually(() => assert.match(upOrOver(group), /everything is up/), START_MS_MAX);
  } catch (error) {
    await group.close();
    throw error;
  }
  const port = (offset: number) => `127.0.0.1:${place.portBase + offset}`;
  const pidsOf = (service: Service) =>
    group.processes().flatMap(({ pid, command }) => (command.includes(`services/${service}/`) ? [pid] : []));
  return {
    ...place,
    group,
    ingest: `http://${port(0)}`,
    api: `http://${port(1)}`,
    mqtt: `mqtt://${port(2)}`,
    kafka: stores?.kafka ?? port(5),
    clickhouse: stores?.clickhouse ?? `http://${port(7)}`,
    admin: (service) => `http://${port(11 + SERVICES.indexOf(service))}`,
    pidOf: (service) => pidsOf(service)[0] ?? assert.fail(`${service} does not run`),
    pidsOf,
  };
}

export function startFlags({ dataDir, portBase, instances = 1 }: Place): string[] {
  return ['--port-base', String(portBase), '--data', dataDir, '--no-traffic', '--instances', String(instances)];
}

function upOrOver(group: ProcessGroup): string {
  if (group.exitCode() !== null) throw new Error(`the platform ended by itself:\n${group.output()}`);
  return group.output();
}

/** The first of as many ports as a platform needs, and of `more` behind them, all of them free now. */
export async function freePortBase(more = 0): Promise<number> {
  for (;;) {
    const base = PORT_BASE_MIN + Math.floor(Math.random() * (PORT_BASE_MAX - PORT_BASE_MIN - more));
    const free = await Promise.all(Array.from({ length: PORTS + more }, (_, offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
