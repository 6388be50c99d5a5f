import { readFile } from 'node:fs/promises';
import type { Health, Logger, Metrics, ServiceResources } from '@millrace/observability';
import { openDeviceCheck } from '../access/open.ts';
import { openReloaded } from '../access/reload.ts';
import type { Config } from '../config.ts';
import { type IngestMetrics, observeListener } from '../metrics.ts';
import { type BridgeTls, MqttBridge } from './bridge.ts';
import type { MqttIntake } from './intake.ts';
import { MQTT_DEFAULTS, MqttListener } from './listener.ts';
import type { MqttRoutes } from './routes.ts';
import type { SocketAddresses, TlsFiles } from './sockets.ts';
import type { SparkplugHost } from './sparkplug/host.ts';

export interface MqttOptions {
  readonly config: Config;
  readonly routes: MqttRoutes;
  readonly intake: MqttIntake;
  /** Asks edge nodes through the bridge. */
  readonly sparkplug: SparkplugHost | undefined;
  readonly nowMs: () => number;
  readonly metrics: IngestMetrics;
  readonly registry: Metrics;
  readonly health: Health;
  readonly logger: Logger;
}

/**
 * The way of MQTT that the settings choose, listener or bridge; it takes messages from now on. What it returns is for
 * the log.
 *
 * @throws {IngestError} `credentials-file`
 */
export async function openMqtt(resources: ServiceResources, options: MqttOptions): Promise<object> {
  return options.config.MQTT_URL === undefined
    ? { mqtt: await openListener(resources, options) }
    : { bridge: await openBridge(resources, options, options.config.MQTT_URL) };
}

async function openListener(resources: ServiceResources, options: MqttOptions): Promise<object> {
  const { config, registry, health, logger } = options;
  let listener: MqttListener | undefined;
  const identify = await openDeviceCheck(resources, { ...options, onChange: () => listener?.recheck() });
  const certificates = await openCertificates(resources, options, (changed) => listener?.useCertificates(changed));
  listener = new MqttListener({
    ...options,
    ...addressesOf(config, certificates),
    identify,
    limits: { packetBytesMax: MQTT_DEFAULTS.packetBytesMax, inFlightMax: config.MQTT_IN_FLIGHT_MAX },
    rate: {
      packetsPerSecond: config.MQTT_DEVICE_PACKETS_PER_SECOND,
      bytesPerSecond: config.MQTT_DEVICE_BYTES_PER_SECOND,
    },
    connectionsMax: config.MQTT_CONNECTIONS_MAX,
  });
  await listener.start();
  resources.onClose('mqtt listener', () => listener.close());
  observeListener(registry, listener);
  health.set('mqtt', { ready: true });
  if (config.MQTT_TLS_CLIENT_CA_FILE !== undefined) logger.info('devices may log in with a certificate');
  return listener.ports;
}

function addressesOf(config: Config, certificates: TlsFiles | undefined): SocketAddresses {
  const { HOST: host, MQTT_PORT: port, MQTT_WS_PORT: webSocketPort } = config;
  if (certificates === undefined) return { host, port, webSocketPort };
  const tls = {
    ...certificates,
    port: config.MQTT_TLS_PORT,
    webSocketPort: config.MQTT_WSS_PORT,
    clientCertificate: config.MQTT_TLS_CLIENT_CERT,
  };
  return { host, port, webSocketPort, tls };
}

/** The certificates of the TLS ports, read again when one of their files changes; `undefined` without them. */
async function openCertificates(
  resources: ServiceResources,
  { config, metrics, logger }: MqttOptions,
  onChange: (changed: TlsFiles) => void,
): Promise<TlsFiles | undefined> {
  const { MQTT_TLS_CERT_FILE: cert, MQTT_TLS_KEY_FILE: key, MQTT_TLS_CLIENT_CA_FILE: clientCa } = config;
  if (cert === undefined || key === undefined) return undefined;
  const certificates = await openReloaded({
    name: 'mqtt-certificates',
    files: [cert, key, ...(clientCa === undefined ? [] : [clientCa])],
    read: async () => ({
      cert: await readFile(cert),
      key: await readFile(key),
      ...(clientCa !== undefined && { clientCa: await readFile(clientCa) }),
    }),
    ...{ onChange, metrics, logger },
  });
  resources.onClose('mqtt certificates', () => certificates.close());
  return certificates.current();
}

async function openBridge(resources: ServiceResources, options: MqttOptions, url: string): Promise<string> {
  const { config, routes, health } = options;
  const bridge = new MqttBridge({
    ...options,
    url,
    version: config.MQTT_VERSION,
    tls: await bridgeTls(config),
    filters: routes.filters(),
    receiveMax: config.MQTT_RECEIVE_MAXIMUM,
    clientId: config.MQTT_CLIENT_ID,
    shareGroup: config.MQTT_SHARE_GROUP,
    onConnection: (ready, detail) => health.set('mqtt', { ready, detail }),
  });
  resources.onClose('mqtt bridge', () => bridge.close());
  options.sparkplug?.sendThrough((topic, payload) => bridge.send(topic, payload));
  bridge.start();
  return config.MQTT_CLIENT_ID;
}

async function bridgeTls(config: Config): Promise<BridgeTls> {
  const { MQTT_CA_FILE: ca, MQTT_CERT_FILE: cert, MQTT_KEY_FILE: key } = config;
  return {
    ...(ca !== undefined && { ca: await readFile(ca) }),
    ...(cert !== undefined && { cert: await readFile(cert) }),
    ...(key !== undefined && { key: await readFile(key) }),
  };
}
