import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fetchKafkaJars, kafkaPart, Part } from '@millrace/local-stack';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const STOP_MS_MAX = 10_000;

/** A part that runs, and where it listens. */
export interface Target {
  readonly part: Part;
  readonly httpPort: number;
  readonly mqttPort: number;
}

export interface System {
  readonly kafkaBrokers: string;
  readonly kafka: Part;
  readonly ingest: Target;
  readonly bare: Target;
  /** `undefined` when it is not installed, or not wanted. */
  readonly mosquitto: Target | undefined;
  /** Parts that died meanwhile and were started again, by name: their figures are worth nothing. */
  restarted(): string[];
  stop(): Promise<void>;
}

/** Kafka, ingest as `npm start` runs it, a bare Fastify, and Mosquitto where it is installed; a folder that is removed. */
export async function startSystem(options: {
  readonly mosquitto: boolean;
  /** Folder for a CPU profile of ingest. */
  readonly profileDir: string | undefined;
  readonly tell: (line: string) => void;
}): Promise<System> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const folder = { dataDir, logsDir: join(dataDir, 'logs') };
  await mkdir(folder.logsDir);
  const parts: Part[] = [];
  const stop = async () => {
    // Kafka goes last: what ingest has under way is confirmed first.
    for (const part of parts.toReversed()) await part.stop(STOP_MS_MAX);
    await rm(dataDir, { recursive: true, force: true });
  };
  const start = async (part: Part) => {
    parts.push(part);
    await part.start();
    options.tell(`${part.name} is ready`);
    return part;
  };
  try {
    const jarsDir = await fetchKafkaJars(options.tell);
    const ports = await freePorts(9);
    const [broker = 0, controller = 0, http = 0, metrics = 0, mqtt = 0, mqttWs = 0, tls = 0, bare = 0, other = 0] =
      ports;
    const kafka = await start(new Part(await kafkaPart(folder, { jarsDir, broker, controller })));
    const kafkaBrokers = `127.0.0.1:${broker}`;
    const node = (name: string, file: string, args: string[], env: Record<string, string>, health: string) =>
      new Part({
        name,
        program: { kind: 'node', file, args },
        env,
        cwd: ROOT,
        logFile: join(folder.logsDir, `${name}.log`),
        isReady: () => answers(health),
      });
    const environment = {
      ...{ HOST: '127.0.0.1', KAFKA_BROKERS: kafkaBrokers, HTTP_PORT: `${http}`, METRICS_PORT: `${metrics}` },
      ...{ MQTT_PORT: `${mqtt}`, MQTT_WS_PORT: `${mqttWs}`, MQTT_TLS_PORT: `${tls}` },
      ...(options.profileDir === undefined
        ? {}
        : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${options.profileDir} --cpu-prof-interval=500` }),
    };
    const ready = `http://127.0.0.1:${metrics}/health/ready`;
    const ingest = await start(node('ingest', join('services', 'ingest', 'src', 'main.ts'), [], environment, ready));
    const bareFile = fileURLToPath(new URL('bare-fastify.ts', import.meta.url));
    const bareReady = `http://127.0.0.1:${bare}/health/live`;
    const bareFastify = await start(node('bare Fastify', bareFile, [`${bare}`], {}, bareReady));
    const mosquitto = options.mosquitto
      ? await startMosquitto(folder.dataDir, folder.logsDir, other, start)
      : undefined;
    return {
      kafkaBrokers,
      kafka,
      ingest: { part: ingest, httpPort: http, mqttPort: mqtt },
      bare: { part: bareFastify, httpPort: bare, mqttPort: 0 },
      mosquitto: mosquitto && { part: mosquitto, httpPort: 0, mqttPort: other },
      restarted: () => parts.filter(({ restarts }) => restarts > 0).map(({ name }) => name),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Debian puts it where only root's PATH looks. */
const MOSQUITTO_PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;

export function hasMosquitto(): boolean {
  return spawnSync('mosquitto', ['-h'], { env: { PATH: MOSQUITTO_PATH } }).error === undefined;
}

async function startMosquitto(
  dataDir: string,
  logsDir: string,
  port: number,
  start: (part: Part) => Promise<Part>,
): Promise<Part> {
  const configFile = join(dataDir, 'mosquitto.conf');
  await writeFile(
    configFile,
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\nlog_type error\n`,
  );
  return start(
    new Part({
      name: 'mosquitto',
      program: { kind: 'native', command: 'mosquitto', args: ['-c', configFile] },
      env: { PATH: MOSQUITTO_PATH },
      cwd: ROOT,
      logFile: join(logsDir, 'mosquitto.log'),
      isReady: () => accepts(port),
    }),
  );
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.text();
    return response.ok;
  } catch {
    return false; // not listening yet
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
