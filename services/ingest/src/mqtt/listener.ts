import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@millrace/observability';
import type { IdentifyDevice, PresentedDevice } from '../access/device-credentials.ts';
import { IngestError } from '../errors.ts';
import type { IngestMetrics } from '../metrics.ts';
import type { DeviceRate } from './device-allowance.ts';
import {
  type Admitted,
  type ConnectionEnd,
  DeviceConnection,
  type DeviceLimits,
  type Taken,
  type WaitReason,
} from './device-connection.ts';
import { type DeviceSession, DeviceSessions } from './device-sessions.ts';
import type { MqttIntake } from './intake.ts';
import { type ConnectPacket, type PublishPacket, RETURN_CODE, type ReturnCode } from './packets.ts';
import type { MqttRoutes } from './routes.ts';
import { openSockets, type Peer, type SocketAddresses, type SocketPorts, type TlsFiles } from './sockets.ts';

export interface MqttListenerOptions extends SocketAddresses {
  readonly intake: MqttIntake;
  readonly routes: Pick<MqttRoutes, 'match'>;
  readonly identify: IdentifyDevice;
  readonly rate?: DeviceRate;
  readonly limits?: Partial<DeviceLimits>;
  /** Connections over all ports, those that have not logged in included. */
  readonly connectionsMax?: number;
  readonly nowMs: () => number;
  readonly metrics: Pick<IngestMetrics, 'mqttRefused' | 'mqttSlowed' | 'willsLost'>;
  readonly logger: Logger;
}

export const MQTT_DEFAULTS = {
  /** A PUBLISH with 500 readings of a dozen metrics is under 200 KiB. */
  packetBytesMax: 256 * 1024,
  inFlightMax: 200,
  inFlightBytesMax: 512 * 1024,
  connectionsMax: 20_000,
  rate: { packetsPerSecond: 1_000, bytesPerSecond: 4 * 1024 * 1024 },
} as const;

const SWEEP_MS = 10_000;
/** How long closing waits for messages that are on their way into Kafka. */
const CLOSE_MS_MAX = 3_000;
const MISDIRECTED = {
  reason: 'foreign-topic',
  message: 'The topic is not one of the device that sent this. A device publishes to its own topics only.',
} as const;

interface Client {
  readonly presented: PresentedDevice;
  readonly session: DeviceSession;
}

/**
 * MQTT 3.1.1 for devices, over TCP, WebSocket and TLS. It takes messages and delivers none: subscriptions are refused,
 * and nothing is retained, because `telemetry.raw` is where everything goes.
 *
 * Delivery: PUBACK (QoS 1) and PUBREC (QoS 2) are sent after Kafka has the message; QoS 0 takes the same way. While
 * Kafka is slow or away nothing is acknowledged, and of each device only so much is read as may be in flight, so devices
 * wait. A device that sends more than its rate allows waits alone.
 */
export class MqttListener {
  readonly #options: MqttListenerOptions;
  readonly #limits: DeviceLimits;
  readonly #sessions: DeviceSessions;
  readonly #connections = new Set<DeviceConnection>();
  readonly #clients = new Map<DeviceConnection, Client>();
  readonly #slowed = new Set<DeviceConnection>();
  #wills = 0;
  #closing = false;
  #sockets: SocketPorts | undefined;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: MqttListenerOptions) {
    this.#options = options;
    const { packetBytesMax, inFlightMax, inFlightBytesMax } = { ...MQTT_DEFAULTS, ...options.limits };
    this.#limits = { packetBytesMax, inFlightMax, inFlightBytesMax };
    this.#sessions = new DeviceSessions(options.rate ?? MQTT_DEFAULTS.rate, () => performance.now());
  }

  async start(): Promise<void> {
    const { connectionsMax = MQTT_DEFAULTS.connectionsMax, metrics, logger } = this.#options;
    this.#sockets = await openSockets(this.#options, {
      onConnection: (stream, peer) => {
        this.#connections.add(
          new DeviceConnection(stream, {
            limits: this.#limits,
            clock: () => performance.now(),
            admit: (packet, connection) => this.#admit(packet, connection, peer),
            take: (session, packet, abandoned) => this.#take(session, packet, abandoned),
            subscriptionRefused: () => metrics.mqttRefused.inc({ reason: 'subscription' }),
            waiting: (connection, reason) => this.#waiting(connection, reason),
            ended: (connection, end) => this.#ended(connection, end),
          }),
        );
      },
      onRefused: (reason) => this.#refused(reason),
      connectionsMax,
      packetBytesMax: this.#limits.packetBytesMax,
      logger,
    });
    this.#sweeper = setInterval(() => this.#sessions.sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  get ports(): Pick<SocketPorts, 'port' | 'webSocketPort' | 'tlsPort' | 'secureWebSocketPort'> {
    const { port, webSocketPort, tlsPort, secureWebSocketPort } = this.#started();
    return { port, webSocketPort, tlsPort, secureWebSocketPort };
  }

  /** Devices that have logged in. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Open sockets, those in a handshake included; `connectionsMax` is about these. */
  get sockets(): number {
    return this.#sockets?.count ?? 0;
  }

  /** All connections, those that have not logged in included. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Connections that wait because their device has used up its rate. */
  get slowed(): number {
    return this.#slowed.size;
  }

  /** After a change of the credentials: ends the connections of devices that would not be let in any more. */
  recheck(): void {
    for (const [connection, { presented, session }] of this.#clients) {
      if (this.#options.identify(presented) === session.device) continue;
      this.#refused('revoked');
      connection.end('the credentials of the device are not valid any more');
    }
  }

  /**
   * Other certificates for connections from now on.
   *
   * @throws Error when they cannot be used; those before stay in force.
   */
  useCertificates(files: TlsFiles): void {
    this.#started().useCertificates(files);
  }

  /** Accepts nothing more, settles what is on its way, and closes every connection. */
  async close(): Promise<void> {
    // Wills of the connections that end now are not published: the devices are not gone, the server is (3.1.2.5).
    this.#closing = true;
    clearInterval(this.#sweeper);
    this.#sockets?.stop();
    for (const connection of this.#connections) connection.stop();
    const deadlineMs = performance.now() + CLOSE_MS_MAX;
    const isSettled = () => this.#wills === 0 && Array.from(this.#connections).every(({ inFlight }) => inFlight === 0);
    while (!isSettled() && performance.now() < deadlineMs) await sleep(10);
    for (const connection of this.#connections) connection.leave('the service stops');
    await nextTurn();
    await this.#sockets?.close();
  }

  #started(): SocketPorts {
    if (this.#sockets === undefined) throw new Error('The listener has not been started.');
    return this.#sockets;
  }

  #admit(packet: ConnectPacket, connection: DeviceConnection, peer: Peer): Admitted | ReturnCode {
    const { clientId, cleanSession, userName, password, will } = packet;
    if (this.#closing) return RETURN_CODE.serverUnavailable;
    const presented = { userName, password: password?.toString('utf8'), certificate: peer.certificate };
    const device = this.#options.identify(presented);
    if (device === undefined) {
      this.#refused('credentials');
      return RETURN_CODE.badUserNameOrPassword;
    }
    if (will !== undefined && !this.#mayPublish(device, will.topic)) {
      this.#refused('topic');
      return RETURN_CODE.notAuthorized;
    }
    const admitted = this.#sessions.open(device, clientId, cleanSession, connection);
    this.#clients.set(connection, { presented, session: admitted.session });
    return admitted;
  }

  /** Called once per message, in the order of a device's messages. */
  #take(
    { device }: DeviceSession,
    { topic, payload, dup }: Pick<PublishPacket, 'topic' | 'payload' | 'dup'>,
    abandoned: (() => boolean) | undefined,
  ): Promise<Taken> {
    const message = { topic, payload, receivedAtMs: this.#options.nowMs(), redelivered: dup, abandoned };
    if (this.#mayPublish(device, topic)) return this.#options.intake(message).then(() => 'kept');
    this.#refused('topic');
    const refused = { ...MISDIRECTED, deviceId: device };
    return this.#options.intake({ ...message, refused }).then(() => 'misdirected');
  }

  #mayPublish(device: string, topic: string): boolean {
    return this.#options.routes.match(topic)?.publisherId === device;
  }

  #waiting(connection: DeviceConnection, reason: WaitReason | undefined): void {
    if (reason === 'rate') this.#slowed.add(connection);
    else this.#slowed.delete(connection);
    if (reason !== undefined) this.#options.metrics.mqttSlowed.inc({ reason });
  }

  #ended(connection: DeviceConnection, { reason, error, session, will }: ConnectionEnd): void {
    this.#connections.delete(connection);
    this.#clients.delete(connection);
    this.#slowed.delete(connection);
    if (error !== undefined) this.#refused(REFUSAL_BY_CODE[error.code] ?? 'protocol');
    const { metrics, logger } = this.#options;
    logger.debug({ device: session?.device, reason }, 'an MQTT connection has ended');
    if (session === undefined) return;
    this.#sessions.leave(session);
    if (will === undefined || this.#closing) return;
    this.#wills += 1;
    this.#take(session, { ...will, dup: false }, undefined)
      .catch((cause: unknown) => {
        if (!(cause instanceof IngestError)) throw cause;
        metrics.willsLost.inc();
      })
      .finally(() => {
        this.#wills -= 1;
      });
  }

  #refused(reason: MqttRefusal): void {
    this.#options.metrics.mqttRefused.inc({ reason });
  }
}

export type MqttRefusal =
  | 'credentials'
  | 'revoked'
  | 'certificate'
  | 'topic'
  | 'subscription'
  | 'packet-size'
  | 'protocol'
  | 'connections';

const REFUSAL_BY_CODE: Partial<Record<IngestError['code'], MqttRefusal>> = { 'packet-size': 'packet-size' };
