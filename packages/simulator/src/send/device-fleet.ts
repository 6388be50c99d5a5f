import mqtt, { type MqttClient } from 'mqtt';
import type { Random } from '../random.ts';

export interface DeviceFleetOptions {
  readonly url: string;
  readonly deviceIds: readonly string[];
  /** Spreads reconnects, so that two thousand devices do not come back in the same instant. */
  readonly random: Random;
  readonly nowMs: () => number;
  readonly onTrouble?: (deviceId: string, error: Error) => void;
}

export interface DeviceFleet {
  readonly connected: number;
  /** Published and not acknowledged yet, of all devices. */
  readonly unacknowledged: number;
  /** `UNACKNOWLEDGED_MAX` are outstanding: the source of readings has to wait. */
  readonly full: boolean;
  /** Connects all devices, some at a time; resolves when each has been connected once, or `signal` is aborted. */
  connect(signal: AbortSignal): Promise<void>;
  /** Sends a message on the device's own topic by QoS 1; `onAcknowledged` is called once, at the PUBACK. */
  publish(deviceId: string, payload: string, onAcknowledged: () => void): void;
  /** Resolves when it is not full. */
  room(): Promise<void>;
  /** Resolves when nothing is outstanding, or after `waitMs`; tells what is left. */
  drain(waitMs: number): Promise<number>;
  close(): Promise<void>;
}

/** Devices that connect at the same time. */
const CONNECTING_MAX = 100;
const RECONNECT_MS_MIN = 500;
const RECONNECT_MS_MAX = 10_000;
/** Beyond this the source of readings has to wait: at 2,000 readings/s ten seconds without ingest. */
export const UNACKNOWLEDGED_MAX = 20_000;
const DRAIN_POLL_MS = 20;

/**
 * One MQTT connection per device, as a device has it: user name and password are its id.
 *
 * Delivery: QoS 1. A message stays in the client until its PUBACK; after a lost connection the client connects again,
 * with a delay that grows, and sends what was not acknowledged again, in order, with the same content: ingest may see
 * it twice, the enricher drops the repeat by its device, event time and sequence.
 *
 * A connection has no timer of its own while it is up (keepalive 0): with thousands in one process, timers and pings
 * would cost more than the readings do. A peer that vanishes without closing is noticed by TCP's own keepalive.
 */
export function createDeviceFleet(options: DeviceFleetOptions): DeviceFleet {
  const clients = new Map<string, MqttClient>();
  let unacknowledged = 0;
  let waiting: (() => void)[] = [];

  function open(deviceId: string): MqttClient {
    const client = mqtt.connect(options.url, {
      clientId: deviceId,
      username: deviceId,
      password: deviceId,
      protocolVersion: 4,
      clean: true,
      keepalive: 0,
      reschedulePings: false,
      resubscribe: false,
      queueQoSZero: false,
      connectTimeout: 10_000,
      reconnectPeriod: reconnectMs(RECONNECT_MS_MIN),
      // Retained, as devices do it, and the will says the opposite.
      will: { topic: statusTopic(deviceId), payload: Buffer.from('offline'), qos: 1, retain: true },
    });
    client.on('connect', () => {
      client.options.reconnectPeriod = reconnectMs(RECONNECT_MS_MIN);
      const status = JSON.stringify({ online: true, event_time: options.nowMs() });
      // Unlike a reading it is not worth waiting for: the next connection says it anew.
      client.publish(statusTopic(deviceId), status, { qos: 0, retain: true });
    });
    client.on('close', () => {
      const { reconnectPeriod = RECONNECT_MS_MIN } = client.options;
      client.options.reconnectPeriod = reconnectMs(Math.min(2 * reconnectPeriod, RECONNECT_MS_MAX));
    });
    client.on('error', (error) => options.onTrouble?.(deviceId, error));
    clients.set(deviceId, client);
    return client;
  }

  /** Half of it certain, half by chance. */
  function reconnectMs(ms: number): number {
    return Math.round(ms * (0.5 + options.random.uniform()));
  }

  function settled(): void {
    unacknowledged -= 1;
    if (unacknowledged >= UNACKNOWLEDGED_MAX || waiting.length === 0) return;
    const released = waiting;
    waiting = [];
    for (const release of released) release();
  }

  return {
    get connected() {
      let count = 0;
      for (const client of clients.values()) if (client.connected) count += 1;
      return count;
    },
    get unacknowledged() {
      return unacknowledged;
    },
    get full() {
      return unacknowledged >= UNACKNOWLEDGED_MAX;
    },

    async connect(signal) {
      const queue = options.deviceIds.values();
      await Promise.all(
        Array.from({ length: CONNECTING_MAX }, async () => {
          for (const deviceId of queue) {
            if (signal.aborted) return;
            await connectedOnce(open(deviceId), signal);
          }
        }),
      );
    },

    publish(deviceId, payload, onAcknowledged) {
      const client = clients.get(deviceId) ?? open(deviceId);
      unacknowledged += 1;
      client.publish(`devices/${deviceId}/telemetry`, payload, { qos: 1 }, (error) => {
        settled();
        // The only error of a QoS 1 publish in MQTT 3.1.1 is that the client was ended before the PUBACK came.
        if (error === undefined || error === null) onAcknowledged();
      });
    },

    room() {
      if (unacknowledged < UNACKNOWLEDGED_MAX) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },

    async drain(waitMs) {
      const deadlineMs = performance.now() + waitMs;
      while (unacknowledged > 0 && performance.now() < deadlineMs) {
        await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
      }
      return unacknowledged;
    },

    async close() {
      // DISCONNECT, so that the will is not published; not for a device that still waits, or has no connection.
      await Promise.all([...clients.values()].map((client) => client.endAsync(isWaiting(client))));
      clients.clear();
    },
  };
}

function isWaiting(client: MqttClient): boolean {
  return !client.connected || Object.keys(client.outgoing).length > 0;
}

function statusTopic(deviceId: string): string {
  return `devices/${deviceId}/status`;
}

function connectedOnce(client: MqttClient, signal: AbortSignal): Promise<void> {
  if (client.connected) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      client.removeListener('connect', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    client.on('connect', done);
    signal.addEventListener('abort', done);
  });
}
