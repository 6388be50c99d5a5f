import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, parseTraceparent } from '@millrace/observability';
import mqtt, { type IPublishPacket, type MqttClient } from 'mqtt';
import type { MqttIntake, MqttMessage } from './intake.ts';
import { PACKET_BYTES_MAX } from './sockets.ts';

export interface MqttBridgeOptions {
  /** `mqtt://` or `mqtts://`, with user name and password where the broker wants them. */
  readonly url: string;
  /** The name of the session that the broker keeps; one per instance. */
  readonly clientId: string;
  /** Instances of one group share the messages; `undefined` when there is one instance. */
  readonly shareGroup?: string | undefined;
  readonly intake: MqttIntake;
  readonly nowMs: () => number;
  readonly onConnection: (connected: boolean, detail: string) => void;
  readonly logger: Logger;
}

/** MQTT 5 Receive Maximum: the broker sends no more than this without PUBACK, so no more is ever held here. */
export const IN_FLIGHT_MAX = 1_000;
/** How long the broker keeps the session, with what was published meanwhile, when this service is away. */
const SESSION_EXPIRY_SECONDS = 86_400;
const KEEP_ALIVE_SECONDS = 30;
const CONNECT_MS_MAX = 10_000;
const RECONNECT_MS = 1_000;
const CLOSE_MS_MAX = 3_000;

interface Unacknowledged {
  readonly acknowledge: () => void;
  kept: boolean;
}

/**
 * Takes devices' messages from an outside broker, by MQTT 5 in a persistent session.
 *
 * Delivery: PUBACK goes to the broker after Kafka has the message, in the order of the messages [MQTT-4.6.0-2]. Up to
 * `IN_FLIGHT_MAX` are on their way into Kafka at once, and wait there while Kafka is away. When the connection to the
 * broker ends, the broker sends again what was not acknowledged. QoS 0 messages are taken one at a time.
 */
export class MqttBridge {
  readonly #options: MqttBridgeOptions;
  readonly #client: MqttClient;
  /** Of this connection, oldest first. */
  #window: Unacknowledged[] = [];
  #closing = false;

  constructor(options: MqttBridgeOptions) {
    this.#options = options;
    this.#client = mqtt.connect(options.url, {
      protocolVersion: 5,
      clientId: options.clientId,
      clean: false,
      keepalive: KEEP_ALIVE_SECONDS,
      connectTimeout: CONNECT_MS_MAX,
      reconnectPeriod: RECONNECT_MS,
      resubscribe: true,
      manualConnect: true,
      properties: {
        sessionExpiryInterval: SESSION_EXPIRY_SECONDS,
        receiveMaximum: IN_FLIGHT_MAX,
        maximumPacketSize: PACKET_BYTES_MAX,
      },
    });
    this.#client.handleMessage = (packet, callback) => this.#receive(packet, callback ?? (() => {}));
    this.#client.on('connect', () => this.#subscribe());
    this.#client.on('close', () => this.#lost());
    this.#client.on('error', (error) =>
      options.logger.warn({ err: error }, 'the connection to the MQTT broker failed'),
    );
  }

  start(): void {
    this.#client.connect();
  }

  /** Settles what is on its way, and leaves; the broker goes on keeping messages for the session. */
  async close(): Promise<void> {
    this.#closing = true;
    const deadlineMs = performance.now() + CLOSE_MS_MAX;
    while (this.#window.length > 0 && performance.now() < deadlineMs) await sleep(10);
    await this.#client.endAsync(!this.#client.connected);
  }

  #subscribe(): void {
    const { shareGroup, onConnection, logger } = this.#options;
    const prefix = shareGroup === undefined ? '' : `$share/${shareGroup}/`;
    // rh 1: retained statuses come with a new subscription only; later ones would be taken for news.
    const subscription = { qos: 1, rh: 1 } as const;
    const filters = { [`${prefix}devices/+/telemetry`]: subscription, [`${prefix}devices/+/status`]: subscription };
    this.#client.subscribeAsync(filters).then(
      () => onConnection(true, 'subscribed'),
      (error: unknown) => {
        onConnection(false, 'the broker refused the subscription');
        logger.error({ err: error }, 'cannot subscribe; check what the broker allows this user');
      },
    );
  }

  #lost(): void {
    // Packet ids of an ended connection mean nothing on the next one.
    this.#window = [];
    this.#options.onConnection(false, 'not connected to the MQTT broker');
  }

  /**
   * MQTT.js hands over one packet and waits for `callback` before the next one. A callback with an error lets it go on
   * without acknowledging; a later one without acknowledges after all. So many messages can be on their way at once.
   */
  #receive(packet: IPublishPacket, callback: (error?: Error) => void): void {
    if (this.#closing) return;
    const message = this.#messageOf(packet);
    if (packet.qos === 0) {
      const { logger } = this.#options;
      this.#options.intake(message).then(
        () => callback(),
        (error: unknown) => {
          logger.debug({ err: error }, 'a QoS 0 message was not kept');
          callback();
        },
      );
      return;
    }
    const window = this.#window;
    const entry: Unacknowledged = { acknowledge: () => callback(), kept: false };
    window.push(entry);
    this.#options.intake({ ...message, abandoned: () => this.#window !== window }).then(
      () => {
        entry.kept = true;
        if (this.#window === window) while (window[0]?.kept === true) window.shift()?.acknowledge();
      },
      (error: unknown) => {
        if (this.#window === window && !this.#closing) this.#refused(error);
      },
    );
    callback(NOT_YET);
  }

  /** A message without PUBACK is sent again on the next connection only, so a refusal ends this one. */
  #refused(error: unknown): void {
    this.#options.logger.warn({ err: error }, 'a message was refused; the broker is asked to send it again');
    this.#client.stream.destroy();
  }

  #messageOf({ topic, payload, properties }: IPublishPacket): MqttMessage {
    const traceparent = properties?.userProperties?.traceparent;
    return {
      topic,
      payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
      receivedAtMs: this.#options.nowMs(),
      traceparent:
        typeof traceparent === 'string' && parseTraceparent(traceparent) !== undefined ? traceparent : undefined,
    };
  }
}

const NOT_YET = new Error('acknowledged later');
