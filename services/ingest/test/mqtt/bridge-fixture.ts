import type { TestContext } from 'node:test';
import mqtt, { type IClientPublishOptions } from 'mqtt';
import { MqttBridge, type MqttBridgeOptions } from '../../src/mqtt/bridge.ts';
import { type Ingest, NOW_MS } from '../fixtures.ts';
import type { Mosquitto } from './mosquitto.ts';

/** A bridge to the broker, once it has subscribed; `connections` counts how often it has. */
export async function createBridge(
  t: TestContext,
  { url }: Pick<Mosquitto, 'url'>,
  { intake, logger, routes }: Ingest,
  options: Partial<MqttBridgeOptions> = {},
): Promise<{ close(): Promise<void>; readonly connections: number }> {
  const subscribed = Promise.withResolvers<void>();
  let connections = 0;
  const bridge = new MqttBridge({
    url,
    version: '5',
    filters: routes.filters(),
    receiveMax: 1_000,
    clientId: 'bridge-1',
    intake,
    nowMs: () => NOW_MS,
    onConnection: (connected) => {
      if (!connected) return;
      connections += 1;
      subscribed.resolve();
    },
    logger,
    ...options,
  });
  t.after(() => bridge.close());
  bridge.start();
  await subscribed.promise;
  return {
    close: () => bridge.close(),
    get connections() {
      return connections;
    },
  };
}

/** A client of the broker that publishes what devices would. */
export async function createDevices(t: TestContext, { url }: Pick<Mosquitto, 'url'>) {
  const client = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 100 });
  t.after(() => client.endAsync(true));
  client.on('error', () => {}); // Reconnects.
  const publish = (device: string, reading: object | string, options: IClientPublishOptions = {}) =>
    client.publishAsync(
      `devices/${device}/telemetry`,
      typeof reading === 'string' ? reading : JSON.stringify({ ...reading, device_id: device }),
      { qos: 1, ...options },
    );
  return { client, publish };
}

export const values = ({ producer }: Ingest) =>
  producer.sent.map(({ value }) => JSON.parse(String(value)) as { device_id: string; sequence: number });

export const sequencesOf = (ingest: Ingest, device: string) =>
  values(ingest)
    .filter(({ device_id }) => device_id === device)
    .map(({ sequence }) => sequence);

/** Without what came again: what is left downstream, where readings are known by their ids. */
export const firstOf = (sequences: readonly number[]) => [...new Set(sequences)];

export const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);
