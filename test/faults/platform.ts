import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { clickhousePart, fetchKafkaJars, kafkaPart } from '@millrace/local-stack';
import { freePortBase, type Platform, PORTS, type Service, startPlatform } from '@millrace/test-platform';
import { Store } from './store.ts';
import { TcpProxy } from './tcp-proxy.ts';

/** What can be cut, stalled and slowed. */
export const LINKS = ['kafka', 'clickhouse', 'ingest', 'mqtt'] as const;
export type Link = (typeof LINKS)[number];

/** Two each: a partition has somebody to go to while its owner is frozen. */
const INSTANCES = 2;

/**
 * The platform of a drill. The services run under `npm start`'s own supervisor; Kafka and ClickHouse are parts that the
 * drill itself can take away for a time. Services reach them, and the simulator reaches ingest, through proxies; what
 * the drill asks for its own sake goes past those.
 */
export interface DrillPlatform extends Platform {
  readonly parts: { readonly kafka: Store; readonly clickhouse: Store };
  readonly links: Readonly<Record<Link, TcpProxy>>;
  /** Where the simulator sends to. */
  readonly front: { readonly ingest: string; readonly api: string; readonly mqtt: string };
  /** Services of which a process was killed by the drill, once for each kill. */
  readonly killed: Service[];
  close(): Promise<void>;
}

export async function startDrillPlatform(dataDir: string, say: (line: string) => void): Promise<DrillPlatform> {
  const ways = 5;
  const portBase = await freePortBase(ways);
  const [kafkaWay, kafkaDetour, clickhouseWay, ingestWay, mqttWay] = Array.from(
    { length: ways },
    (_, offset) => portBase + PORTS + offset,
  ) as [number, number, number, number, number];
  const links: Record<Link, TcpProxy> = {
    kafka: new TcpProxy({ listen: kafkaWay, target: kafkaDetour }),
    clickhouse: new TcpProxy({ listen: clickhouseWay, target: portBase + 7 }),
    ingest: new TcpProxy({ listen: ingestWay, target: portBase }),
    mqtt: new TcpProxy({ listen: mqttWay, target: portBase + 2 }),
  };
  const folder = { dataDir, logsDir: join(dataDir, 'logs') };
  await mkdir(folder.logsDir, { recursive: true });
  const jarsDir = await fetchKafkaJars(say);
  const ports = { broker: portBase + 5, controller: portBase + 6 };
  const detour = { listen: kafkaDetour, advertise: kafkaWay };
  const parts = {
    kafka: new Store(await kafkaPart(folder, { jarsDir, ...ports, detour }), links.kafka),
    clickhouse: new Store(clickhousePart(folder, { port: portBase + 7 }), links.clickhouse),
  };
  let platform: Platform | undefined;
  async function close(): Promise<void> {
    await platform?.group.close();
    await Promise.all(Object.values(parts).map((store) => store.away('SIGKILL')));
    await Promise.all(Object.values(links).map((link) => link.close()));
  }
  try {
    await Promise.all([links.ingest.listen(), links.mqtt.listen()]);
    await Promise.all(Object.values(parts).map((store) => store.back()));
    platform = await startPlatform({
      dataDir,
      portBase,
      instances: INSTANCES,
      stores: { kafka: `127.0.0.1:${kafkaWay}`, clickhouse: `http://127.0.0.1:${clickhouseWay}` },
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ...platform,
    kafka: `127.0.0.1:${ports.broker}`,
    clickhouse: `http://127.0.0.1:${portBase + 7}`,
    parts,
    links,
    killed: [],
    front: { ingest: `http://127.0.0.1:${ingestWay}`, api: platform.api, mqtt: `mqtt://127.0.0.1:${mqttWay}` },
    close,
  };
}

/** Processes of a service when all run. */
export function instancesOf(service: string): number {
  return service === 'enricher' || service === 'fraud-detector' ? INSTANCES : 1;
}
