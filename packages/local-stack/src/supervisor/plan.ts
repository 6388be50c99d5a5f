import { join } from 'node:path';
import { type OutsideParts, REPOSITORY_DIR } from '../config.ts';
import type { StartFlags } from '../flags.ts';
import type { StackPorts } from '../ports.ts';
import { httpAnswers } from '../probe.ts';
import type { DataFolder } from '../store-parts.ts';
import type { PartOptions } from './part.ts';

const LOOPBACK = '127.0.0.1';

export type ServiceName = 'ingest' | 'enricher' | 'fraud-detector' | 'sink' | 'api';

/** One process of a service. */
export interface ServicePart extends PartOptions {
  readonly service: ServiceName;
  readonly metricsUrl: string;
}

export interface StackAddresses {
  readonly kafkaBrokers: string;
  readonly clickhouseUrl: string;
  readonly ingest: string;
  readonly api: string;
  /** Where devices publish. */
  readonly mqtt: string;
}

/** Where everything is: a part of our own on loopback, or the one from the environment. */
export function stackAddresses(ports: StackPorts, outside: OutsideParts): StackAddresses {
  return {
    kafkaBrokers: outside.kafkaBrokers ?? `${LOOPBACK}:${ports.kafka}`,
    clickhouseUrl: outside.clickhouseUrl ?? `http://${LOOPBACK}:${ports.clickhouse}`,
    ingest: `http://${LOOPBACK}:${ports.ingest}`,
    api: `http://${LOOPBACK}:${ports.api}`,
    mqtt: outside.mqttUrl ?? `mqtt://${LOOPBACK}:${ports.mqtt}`,
  };
}

/** The ports that a run will listen on, by the name a person knows them by. */
export function listenPorts(ports: StackPorts, outside: OutsideParts): Record<string, number> {
  const { metrics } = ports;
  return {
    'ingest HTTP': ports.ingest,
    'api and console': ports.api,
    ...(outside.mqttUrl === undefined ? { MQTT: ports.mqtt, 'MQTT over WebSocket': ports.mqttWebSocket } : {}),
    ...(outside.kafkaBrokers === undefined ? { Kafka: ports.kafka, 'Kafka controller': ports.kafkaController } : {}),
    ...(outside.clickhouseUrl === undefined ? { ClickHouse: ports.clickhouse } : {}),
    ...Object.fromEntries(Object.entries(metrics).map(([service, port]) => [`metrics of ${service}`, port])),
  };
}

/**
 * The processes of the five services. Only enricher and fraud-detector have several instances: they share the work by
 * partition.
 *
 * @param options.extraMetricsPorts a free port for each process beyond the first: two per further instance
 */
export function serviceParts(options: {
  flags: StartFlags;
  ports: StackPorts;
  addresses: StackAddresses;
  folder: DataFolder;
  extraMetricsPorts: readonly number[];
}): ServicePart[] {
  const { flags, ports, addresses, folder, extraMetricsPorts } = options;
  const extraPorts = [...extraMetricsPorts];

  function part(service: ServiceName, instance: number, env: Readonly<Record<string, string>> = {}): ServicePart {
    const metricsPort = instance === 1 ? ports.metrics[service] : extraPorts.shift();
    if (metricsPort === undefined) throw new Error(`no metrics port for ${service} ${instance}`);
    const name = instance === 1 ? service : `${service}-${instance}`;
    return {
      service,
      name,
      program: { kind: 'node', file: join('services', service, 'src', 'main.ts'), args: [] },
      env: {
        HOST: LOOPBACK,
        METRICS_PORT: String(metricsPort),
        KAFKA_BROKERS: addresses.kafkaBrokers,
        CLICKHOUSE_URL: addresses.clickhouseUrl,
        ...env,
      },
      cwd: REPOSITORY_DIR,
      logFile: join(folder.logsDir, `${name}.log`),
      isReady: () => httpAnswers(`http://${LOOPBACK}:${metricsPort}/health/ready`),
      metricsUrl: `http://${LOOPBACK}:${metricsPort}/metrics`,
    };
  }

  const instances = Array.from({ length: flags.instances }, (_, index) => index + 1);
  return [
    part('ingest', 1, {
      HTTP_PORT: String(ports.ingest),
      MQTT_PORT: String(ports.mqtt),
      MQTT_WS_PORT: String(ports.mqttWebSocket),
      MQTT_TLS_PORT: String(ports.mqttTls),
      API_URL: addresses.api,
    }),
    ...instances.map((instance) => part('enricher', instance)),
    ...instances.map((instance) => part('fraud-detector', instance)),
    part('sink', 1),
    part('api', 1, { HTTP_PORT: String(ports.api), INGEST_URL: addresses.ingest }),
  ];
}

/** The simulator, as the source of live traffic. */
export function trafficPart(options: {
  traffic: { rate: number; devices: number };
  addresses: StackAddresses;
  folder: DataFolder;
}): PartOptions {
  const { traffic, addresses, folder } = options;
  const args = ['--rate', String(traffic.rate), '--devices', String(traffic.devices)];
  args.push('--ingest', addresses.ingest, '--api', addresses.api, '--mqtt', addresses.mqtt);
  args.push('--ledger', join(folder.dataDir, 'ledgers', 'live'));
  args.push('--ledger', join(folder.dataDir, 'ledgers'));
  return {
    name: 'traffic',
    program: { kind: 'node', file: join('packages', 'simulator', 'src', 'main.ts'), args },
    env: { NODE_OPTIONS: `--max-semi-space-size=4 --max-old-space-size=${heapMbMax(traffic.devices)}` },
    cwd: REPOSITORY_DIR,
    logFile: join(folder.logsDir, 'traffic.log'),
    isReady: async () => true,
  };
}

/**
 * Thousands of MQTT clients live long and little else does. Left alone, V8 lets 100 MB of garbage lie around them; with
 * these limits the process stays at 210 MB with 2,000 devices. A device takes 20 KB, and twice that while ingest is away.
 */
function heapMbMax(devices: number): number {
  return 128 + Math.ceil(devices / 20);
}
