import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@millrace/observability';
import { Aedes, type AuthenticateError, type Client, type PublishPacket } from 'aedes';
import type { CheckDevice } from '../access.ts';
import { IngestError } from '../errors.ts';
import type { IngestMetrics } from '../metrics.ts';
import { parseDeviceTopic } from './device-message.ts';
import type { MqttIntake } from './intake.ts';
import { openSockets, type SocketAddresses, type SocketPorts } from './sockets.ts';

export interface MqttListenerOptions extends SocketAddresses {
  readonly intake: MqttIntake;
  readonly checkDevice: CheckDevice;
  readonly nowMs: () => number;
  readonly metrics: Pick<IngestMetrics, 'mqttRefused' | 'willsLost'>;
  readonly logger: Logger;
}

const CONNECT_MS_MAX = 10_000;
/** QoS 2 messages of one device between PUBLISH and PUBREL. */
const QOS2_IN_FLIGHT_MAX = 100;
/** How long closing waits for messages that are on their way into Kafka. */
const CLOSE_MS_MAX = 3_000;

/** CONNACK return codes (MQTT 3.1.1, table 3.1). */
const IDENTIFIER_REJECTED = 2;
const BAD_USER_NAME_OR_PASSWORD = 4;

/**
 * MQTT 3.1.1 for devices, over TCP, WebSocket and TLS. It takes messages and delivers none: subscriptions are refused,
 * and nothing is retained, because `telemetry.raw` is where everything goes.
 *
 * Delivery: PUBACK (QoS 1) and PUBREC (QoS 2) are sent after Kafka has the message; QoS 0 takes the same way. While
 * Kafka is slow or away nothing is acknowledged, and aedes reads no further from a socket before the messages of its
 * last chunk are settled, so devices wait (a device that floods waits alone). After the keep-alive time a device that
 * waits is disconnected, and sends again what was not acknowledged when it is back.
 */
export class MqttListener {
  readonly #options: MqttListenerOptions;
  readonly #deviceByClient = new WeakMap<Client, string>();
  readonly #clientById = new Map<string, Client>();
  readonly #broker: Aedes;
  #closing = false;
  #inFlight = 0;
  #sockets: SocketPorts | undefined;

  constructor(options: MqttListenerOptions) {
    this.#options = options;
    const { metrics } = options;
    this.#broker = new Aedes({
      connectTimeout: CONNECT_MS_MAX,
      maxInflightInbound: QOS2_IN_FLIGHT_MAX,
      authenticate: (client, username, password, done) => {
        const refusal = this.#refuseDevice(client, username, password);
        if (refusal === undefined) done(null, true);
        else done(refusal, false);
      },
      authorizePublish: (client, packet, done) => this.#take(client, packet, done),
      authorizeSubscribe: (_client, _subscription, done) => {
        metrics.mqttRefused.inc({ reason: 'subscription' });
        done(null, null); // SUBACK with 0x80, failure (MQTT 3.1.1, 3.9.3)
      },
    });
  }

  async start(): Promise<void> {
    const { logger } = this.#options;
    this.#broker.on('client', (client) => this.#clientById.set(client.id, client));
    this.#broker.on('clientDisconnect', (client) => {
      if (this.#clientById.get(client.id) === client) this.#clientById.delete(client.id);
    });
    const onError = (client: Client, error: Error) =>
      logger.debug({ err: error, device: this.#deviceByClient.get(client) }, 'an MQTT connection ended with an error');
    this.#broker.on('clientError', onError);
    this.#broker.on('connectionError', onError);
    await this.#broker.listen();
    this.#sockets = await openSockets(this.#options, {
      onConnection: (stream, request) => this.#broker.handle(stream, request),
      onTooLarge: () => this.#refused('packet-size'),
      logger,
    });
  }

  get ports(): Pick<SocketPorts, 'port' | 'webSocketPort' | 'tlsPort'> {
    if (this.#sockets === undefined) throw new Error('The listener has not been started.');
    return this.#sockets;
  }

  get clients(): number {
    return this.#broker.connectedClients;
  }

  /** Accepts nothing more, settles what is on its way, and closes every connection. */
  async close(): Promise<void> {
    // Wills of the connections that end now are not published: the devices are not gone, the server is (3.1.2.5).
    this.#closing = true;
    this.#sockets?.stop();
    const deadlineMs = performance.now() + CLOSE_MS_MAX;
    while (this.#inFlight > 0 && performance.now() < deadlineMs) await sleep(10);
    // aedes writes an acknowledgement in the turn after the hook has called back.
    await nextTurn();
    await nextTurn();
    await new Promise<void>((resolve) => this.#broker.close(resolve));
    await this.#sockets?.close();
  }

  #refuseDevice(client: Client, username: string | undefined, password: Buffer | undefined) {
    if (username === undefined || !this.#options.checkDevice(username, password?.toString('utf8') ?? '')) {
      return this.#refusal('credentials', BAD_USER_NAME_OR_PASSWORD, 'The user name is the device id; see the README.');
    }
    // [MQTT-3.1.4-2] lets a second connection with the same client id end the first; not another device's.
    const current = this.#clientById.get(client.id);
    if (current !== undefined && this.#deviceByClient.get(current) !== username) {
      return this.#refusal('client-id', IDENTIFIER_REJECTED, 'The client id is in use by another device.');
    }
    this.#deviceByClient.set(client, username);
    return undefined;
  }

  #refusal(reason: string, returnCode: number, message: string): AuthenticateError {
    this.#refused(reason);
    return Object.assign(new Error(message), { returnCode });
  }

  #refused(reason: string): void {
    this.#options.metrics.mqttRefused.inc({ reason });
  }

  /** Called once per PUBLISH, in the order of the packets, and for a last will when its connection has ended. */
  #take(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    const device = client === null ? undefined : this.#deviceByClient.get(client);
    const topic = parseDeviceTopic(packet.topic);
    if (topic === undefined || topic.deviceId !== device) {
      this.#refused('topic');
      done(new IngestError('not-allowed', 'A device publishes to devices/{its id}/telemetry and .../status only.'));
      return;
    }
    if (this.#closing) {
      done(new IngestError('closed', 'The service is stopping.'));
      return;
    }
    // Nobody can subscribe, so a retained message would only take memory.
    packet.retain = false;
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const receivedAtMs = this.#options.nowMs();
    // Only a packet that came over the wire has a command; a will is a part of an earlier CONNECT, and has no sender any
    // more that could send it again.
    const isWill = packet.cmd !== 'publish';
    const abandoned = () => !isWill && client?.closed === true;
    this.#inFlight += 1;
    this.#options.intake({ topic: packet.topic, payload, receivedAtMs, abandoned }).then(
      () => {
        this.#inFlight -= 1;
        done();
      },
      (error: Error) => {
        this.#inFlight -= 1;
        if (isWill) this.#options.metrics.willsLost.inc();
        done(error);
      },
    );
  }
}
