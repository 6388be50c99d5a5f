import type { TestContext } from 'node:test';
import type { Platform } from '@millrace/test-platform';
import mqtt, { type MqttClient } from 'mqtt';

export interface DeviceClient {
  /** QoS 1; resolves when it is acknowledged, and rejects when the connection ends before. */
  publish(topic: string, payload: unknown): Promise<void>;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;
}

/** Connects a device to the platform's MQTT listener, and disconnects it after the test. */
export async function connectDevice(t: TestContext, platform: Platform, deviceId: string): Promise<DeviceClient> {
  const client: MqttClient = await mqtt.connectAsync(platform.mqtt, {
    clientId: `client-of-${deviceId}`,
    username: deviceId,
    password: deviceId,
    protocolVersion: 4,
    reconnectPeriod: 0,
  });
  t.after(() => client.endAsync(true));
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  // An error of the connection ends it, which is what a test waits for.
  client.on('error', (error) => t.diagnostic(`MQTT: ${error.message}`));
  return {
    closed,
    async publish(topic, payload) {
      const bytes = typeof payload === 'string' ? payload : JSON.stringify(payload);
      const acknowledged = client.publishAsync(topic, bytes, { qos: 1 });
      const broken = closed.then(() => Promise.reject(new Error('the connection ended before the acknowledgement')));
      await Promise.race([acknowledged, broken]);
    },
  };
}
