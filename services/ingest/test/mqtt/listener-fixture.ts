import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { generate, type Packet, parser } from 'mqtt-packet';
import { deviceIdIsPassword } from '../../src/access/device-credentials.ts';
import { MqttListener, type MqttListenerOptions } from '../../src/mqtt/listener.ts';
import type { PublisherLimits } from '../../src/publisher.ts';
import { createIngest, NOW_MS, READING } from '../fixtures.ts';

/** The listener on free ports, with a fake producer behind it. */
export async function createListener(
  t: TestContext,
  options: Partial<MqttListenerOptions> = {},
  limits: Partial<PublisherLimits> = {},
  ingestOptions: Parameters<typeof createIngest>[1] = {},
) {
  const ingest = await createIngest(t, { ...ingestOptions, limits });
  const listener = new MqttListener({
    host: '127.0.0.1',
    port: 0,
    webSocketPort: 0,
    routes: ingest.routes,
    intake: ingest.intake,
    identify: deviceIdIsPassword,
    nowMs: () => NOW_MS,
    metrics: ingest.ingestMetrics,
    logger: ingest.logger,
    ...options,
  });
  await listener.start();
  t.after(() => listener.close());

  async function connect(device: string, clientOptions: IClientOptions = {}, url?: string): Promise<MqttClient> {
    const client = mqtt.connect(url ?? `mqtt://127.0.0.1:${listener.ports.port}`, {
      username: device,
      password: device,
      protocolVersion: 4,
      reconnectPeriod: 0,
      manualConnect: true,
      ...clientOptions,
    });
    t.after(() => client.endAsync(true));
    client.on('error', () => {}); // A test hears of it by the end of the connection.
    client.connect();
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('close', () => reject(new Error('refused')));
    });
    return client;
  }
  const values = () => ingest.producer.sent.map(({ topic, value }) => [topic, JSON.parse(String(value))] as const);
  const sequences = (device = 'device-1') =>
    values()
      .filter(([topic, { device_id }]) => topic === 'telemetry.raw' && device_id === device)
      .map(([, { sequence }]) => sequence);
  const refused = () => ingest.counted('millrace_ingest_mqtt_refused_total');
  const slowed = () => ingest.counted('millrace_ingest_mqtt_slowed_total');
  return { ...ingest, listener, connect, values, sequences, refused, slowed };
}

export const closed = (client: MqttClient) => new Promise<void>((resolve) => client.once('close', () => resolve()));

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

/** A connection whose every packet the test writes itself. */
export interface RawDevice {
  readonly socket: Socket;
  /** Everything received, oldest first. */
  readonly received: Packet[];
  send(...packets: (Packet | Buffer)[]): void;
  /** Commands and packet ids of what was received, once there are so many. */
  answers(count: number): Promise<string[]>;
  readonly closed: Promise<void>;
}

export function createRawDevice(t: TestContext, port: number): RawDevice {
  const socket = connectTcp(port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => {}); // A reset is as good an end as a close.
  const received: Packet[] = [];
  const reader = parser();
  reader.on('packet', (packet) => received.push(packet));
  socket.on('data', (chunk) => reader.parse(chunk));
  const closedSocket = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return {
    socket,
    received,
    send: (...packets) => {
      socket.write(Buffer.concat(packets.map((packet) => (Buffer.isBuffer(packet) ? packet : generate(packet)))));
    },
    async answers(count) {
      await until(() => received.length >= count || socket.destroyed);
      return received.map(({ cmd, messageId }) => (messageId === undefined ? cmd : `${cmd} ${messageId}`));
    },
    closed: closedSocket,
  };
}

export const connectPacket = (device: string, options: object = {}): Packet => ({
  cmd: 'connect',
  protocolId: 'MQTT',
  protocolVersion: 4,
  clean: true,
  clientId: `client of ${device}`,
  keepalive: 0,
  username: device,
  password: Buffer.from(device),
  ...options,
});

export const publishPacket = (sequence: number, options: object = {}): Packet => ({
  cmd: 'publish',
  topic: 'devices/device-1/telemetry',
  payload: JSON.stringify({ ...READING, sequence }),
  qos: 1,
  messageId: sequence,
  dup: false,
  retain: false,
  ...options,
});

export interface CertificateAuthority {
  readonly ca: Buffer;
  /** A key, and a certificate for it that the authority has signed; with less than 0 days it has run out. */
  sign(commonName: string, days?: number): Promise<{ readonly cert: Buffer; readonly key: Buffer }>;
}

/** An issuer of certificates; `openssl` is needed, and missing it is a failure. */
export async function createAuthority(t: TestContext): Promise<CertificateAuthority> {
  const folder = await mkdtemp(join(tmpdir(), 'certificates-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = (name: string) => join(folder, name);
  const openssl = async (...args: string[]) => {
    try {
      await promisify(execFile)('openssl', args);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new Error('This test needs openssl. Install it with `apt-get install -y openssl`.', { cause: error });
    }
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout'];
  await openssl('req', '-x509', ...newKey, file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=issuer', '-days', '1');
  await writeFile(file('extensions'), 'subjectAltName=DNS:localhost\n');
  const issuer = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-extfile', file('extensions')];
  let serial = 0;
  return {
    ca: await readFile(file('ca.pem')),
    async sign(commonName, days = 1) {
      serial += 1;
      const [key, request, cert] = ['key', 'csr', 'pem'].map((kind) => file(`${serial}.${kind}`)) as Three;
      await openssl('req', '-new', ...newKey, key, '-out', request, '-subj', `/CN=${commonName}`);
      const numbers = ['-set_serial', String(serial), '-days', String(days)];
      await openssl('x509', '-req', '-in', request, '-out', cert, ...issuer, ...numbers);
      return { cert: await readFile(cert), key: await readFile(key) };
    },
  };
}

type Three = [string, string, string];
