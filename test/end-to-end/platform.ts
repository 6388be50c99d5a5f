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
const PORTS = 16;
/** The first start in a fresh clone also fetches Kafka. */
const START_MS_MAX = 180_000;

export interface Place {
  readonly dataDir: string;
  readonly portBase: number;
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
  /** The process of a service; it is another one after each restart. */
  pidOf(service: Service): number;
}

/** Starts the platform as `npm start` does, without traffic, and resolves when it says that everything is up. */
export async function startPlatform(place: Place): Promise<Platform> {
  const group = startGroup(START, startFlags(place), place.dataDir);
  try {
    await eventually(() => assert.match(upOrOver(group), /everything is up/), START_MS_MAX);
  } catch (error) {
    await group.close();
    throw error;
  }
  const port = (offset: number) => `127.0.0.1:${place.portBase + offset}`;
  return {
    ...place,
    group,
    ingest: `http://${port(0)}`,
    api: `http://${port(1)}`,
    mqtt: `mqtt://${port(2)}`,
    kafka: port(5),
    clickhouse: `http://${port(7)}`,
    admin: (service) => `http://${port(11 + SERVICES.indexOf(service))}`,
    pidOf: (service) => {
      const found = group.processes().find(({ command }) => command.includes(`services/${service}/`));
      return found?.pid ?? assert.fail(`${service} does not run`);
    },
  };
}

export function startFlags({ dataDir, portBase }: Place): string[] {
  return ['--port-base', String(portBase), '--data', dataDir, '--no-traffic'];
}

function upOrOver(group: ProcessGroup): string {
  if (group.exitCode() !== null) throw new Error(`the platform ended by itself:\n${group.output()}`);
  return group.output();
}

/** The first of as many ports as a platform needs, all of them free now. */
export async function freePortBase(): Promise<number> {
  for (;;) {
    const base = PORT_BASE_MIN + Math.floor(Math.random() * (PORT_BASE_MAX - PORT_BASE_MIN));
    const free = await Promise.all(Array.from({ length: PORTS }, (_, offset) => isFree(base + offset)));
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
