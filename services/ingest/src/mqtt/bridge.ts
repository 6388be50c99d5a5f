import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, parseTraceparent } from '@millrace/observability';
import mqtt, { type IPublishPacket, type MqttClient } from 'mqtt';
import type { MqttIntake, MqttMessage } from './intake.ts';

export interface BridgeTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface MqttBridgeOptions {
  /** `mqtt://` or `mqtts://`, with user name and password where the broker wants them. */
  readonly url: string;
  /** For brokers that speak no MQTT 5, `3.1.1`: without traces, and with the broker's own limit of messages in flight. */
  readonly version: '5' | '3.1.1';
  /** PEM: issuers of the broker's certificate in place of the usual ones, and what this client identifies itself with. */
  readonly tls?: BridgeTls | undefined;
  /** Topic filters of what devices publish. */
  readonly filters: readonly string[];
  /** Messages that are held without acknowledgement: the Receive Maximum of MQTT 5. */
  readonly receiveMax: number;
  /** The name of the session that the broker keeps; one per instance. */
  readonly clientId: string;
  /** Instances of one group share the messages; `undefined` when there is one instance. */
  readonly shareGroup?: string | undefined;
  readonly intake: MqttIntake;
  readonly nowMs: () => number;
  readonly onConnection: (connected: boolean, detail: string) => void;
  readonly logger: Logger;
}

/** Larger ones stay where they are: the broker drops what a client says that it cannot take. */
const PACKET_BYTES_MAX = 256 * 1024;
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
 * `receiveMax` are on their way into Kafka at once, and wait there while Kafka is away. When the connection to the
 * broker ends, the broker sends again what was not acknowledged, in its order. QoS 0 messages are
 * taken the same way, and lost with a connection or a process that ends.
 *
 * The subscription is one of QoS 1, so the broker delivers what was published with QoS 2 at least once. With QoS 2 the
 * message would be this client's alone from PUBREC on, before Kafka has it, and a crash would lose it.
 */
export class MqttBridge {
  readonly #options: MqttBridgeOptions;
  readonly #client: MqttClient;
  /** Of this connection, oldest first. */
  #window: Unacknowledged[] = [];
  /** QoS 0 messages on their way into Kafka. */
  #unacknowledged = 0;
  #hasConnected = false;
  /** A message of this connection was refused: what comes after it must not overtake it. */
  #broken = false;
  #closing = false;

  constructor(options: MqttBridgeOptions) {
    this.#options = options;
    this.#client = mqtt.connect(options.url, {
      ...(options.version === '5'
        ? {
            protocolVersion: 5,
            properties: {
              sessionExpiryInterval: SESSION_EXPIRY_SECONDS,
              receiveMaximum: options.receiveMax,
              maximumPacketSize: PACKET_BYTES_MAX,
            },
          }
        : { protocolVersion: 4 }),
      ...options.tls,
      clientId: options.clientId,
      clean: false,
      keepalive: KEEP_ALIVE_SECONDS,
      connectTimeout: CONNECT_MS_MAX,
      reconnectPeriod: RECONNECT_MS,
      // A broker that is starting, or whose users are being changed, refuses for a while only.
      reconnectOnConnackError: true,
      resubscribe: true,
      manualConnect: true,
    });
    this.#client.handleMessage = (packet, callback) => this.#receive(packet, callback ?? (() => {}));
    this.#client.on('connect', () => this.#subscribe());
    this.#client.on('close', () => this.#lost());
    this.#client.on('error', (error) => this.#failed(error));
  }

  start(): void {
    this.#client.connect();
  }

  /** Publishes with QoS 0; false when there is no connection. */
  send(topic: string, payload: Buffer): boolean {
    if (!this.#client.connected) return false;
    this.#client.publish(topic, payload, { qos: 0 });
    return true;
  }

  /** Settles what is on its way, and leaves; the broker goes on keeping messages for the session. */
  async close(): Promise<void> {
    this.#closing = true;
    const deadlineMs = performance.now() + CLOSE_MS_MAX;
    while (this.#window.length + this.#unacknowledged > 0 && performance.now() < deadlineMs) await sleep(10);
    await this.#client.endAsync(!this.#client.connected);
  }

  #subscribe(): void {
    const { filters, shareGroup, onConnection, logger } = this.#options;
    this.#hasConnected = true;
    this.#broken = false;
    const prefix = shareGroup === undefined ? '' : `$share/${shareGroup}/`;
    // rh 1: retained statuses come with a new subscription only; later ones would be taken for news.
    const subscription = { qos: 1, rh: 1 } as const;
    const subscriptions = Object.fromEntries(filters.map((filter) => [prefix + filter, subscription]));
    this.#client.subscribeAsync(subscriptions).then(
      () => onConnection(true, 'subscribed'),
      (error: unknown) => {
        onConnection(false, 'the broker refused the subscription');
        logger.error({ err: error }, 'cannot subscribe; check what the broker allows this user');
      },
    );
  }

  #failed(error: Error): void {
    const { version, logger } = this.#options;
    const remedy =
      version === '5' && !this.#hasConnected ? '; if the broker speaks no MQTT 5, set MQTT_VERSION to 3.1.1' : '';
    logger.warn({ err: error }, `the connection to the MQTT broker failed, and is tried again${remedy}`);
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
    if (this.#closing || this.#broken) return;
    const message = this.#messageOf(packet);
    if (packet.qos === 0) {
      this.#takeUnacknowledged(message, callback);
      return;
    }
    const window = this.#window;
    const entry: Unacknowledged = { acknowledge: () => callback(), kept: false };
    window.push(entry);
    // MQTT 3.1.1 has no Receive Maximum: then the broker waits because nothing more is read.
    const isFull = window.length >= this.#options.receiveMax;
    this.#options.intake({ ...message, abandoned: () => this.#window !== window }).then(
      () => {
        entry.kept = true;
        // An acknowledgement makes MQTT.js go on with the next packet.
        if (this.#window === window) while (window[0]?.kept === true) window.shift()?.acknowledge();
      },
      (error: unknown) => {
        if (this.#window === window && !this.#closing) this.#refused(error);
      },
    );
    if (!isFull) callback(NOT_YET);
  }

  /** QoS 0 has nothing to wait for but the same limit: all of Sparkplug's data comes this way. */
  #takeUnacknowledged(message: MqttMessage, next: () => void): void {
    const { intake, receiveMax, logger } = this.#options;
    this.#unacknowledged += 1;
    const isFull = this.#unacknowledged >= receiveMax;
    const settled = () => {
      this.#unacknowledged -= 1;
      if (isFull) next();
    };
    intake(message).then(settled, (error: unknown) => {
      logger.debug({ err: error }, 'a QoS 0 message was not kept');
      settled();
    });
    if (!isFull) next();
  }

  /** A message without PUBACK is sent again on the next connection only, so a refusal ends this one. */
  #refused(error: unknown): void {
    this.#options.logger.warn({ err: error }, 'a message was refused; the broker is asked to send it again');
    this.#broken = true;
    this.#window = [];
    this.#client.stream.destroy();
  }

  #messageOf({ topic, payload, properties, dup }: IPublishPacket): MqttMessage {
    const traceparent = properties?.userProperties?.traceparent;
    return {
      topic,
      payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
      receivedAtMs: this.#options.nowMs(),
      redelivered: dup,
      traceparent:
        typeof traceparent === 'string' && parseTraceparent(traceparent) !== undefined ? traceparent : undefined,
    };
  }
}

const NOT_YET = new Error('acknowledged later');
