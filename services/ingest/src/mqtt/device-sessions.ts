import { randomUUID } from 'node:crypto';
import { DeviceAllowance, type DeviceRate } from './device-allowance.ts';

/** What the sessions need of a connection: it must be gone when this returns, its will on its way. */
export interface SessionConnection {
  end(reason: string): void;
}

export interface DeviceSession {
  readonly device: string;
  readonly clientId: string;
  readonly cleanSession: boolean;
  /**
   * QoS 2 messages between PUBLISH and PUBREL, by packet identifier. While one has not been kept its promise is pending;
   * one that could not be kept is not here any more.
   */
  readonly unreleased: Map<number, Promise<unknown>>;
  connection: SessionConnection | undefined;
}

interface Device {
  readonly allowance: DeviceAllowance;
  /** By client identifier, the oldest connection first. */
  readonly sessions: Map<string, DeviceSession>;
}

/** Connections of one device with different client identifiers: with one more, its oldest is ended. */
export const CONNECTIONS_PER_DEVICE_MAX = 4;
/** Sessions of one device, connected or not. */
const SESSIONS_PER_DEVICE_MAX = 8;
/** Devices that are not connected and of which a session is kept; beyond, those that left first are forgotten. */
const ABSENT_DEVICES_MAX = 50_000;
/** How long a session outlives its connection. */
const ABSENT_MS_MAX = 24 * 60 * 60 * 1_000;

/**
 * Who is connected, and what outlives a connection: the QoS 2 messages of a session that is not clean, and how much of
 * its rate a device has used. A client identifier counts within its device, so no device can end the connection of
 * another, or keep it from connecting, by its choice of identifier.
 *
 * Sessions live in memory: after a restart a device is told that there is none [MQTT-3.2.2-3], and what it sends again
 * is dropped further on by the id of the reading.
 */
export class DeviceSessions {
  readonly #rate: DeviceRate;
  readonly #clock: () => number;
  readonly #devices = new Map<string, Device>();
  /** Since when a device is without a connection; in the order of leaving. */
  readonly #absentSince = new Map<string, number>();

  /** `clock`: milliseconds, monotonic. */
  constructor(rate: DeviceRate, clock: () => number) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** Devices that something is known of. */
  get size(): number {
    return this.#devices.size;
  }

  /** A session for a new connection. Whoever used the same client identifier is ended before [MQTT-3.1.4-2]. */
  open(device: string, requestedId: string, cleanSession: boolean, connection: SessionConnection) {
    const clientId = requestedId === '' ? `auto-${randomUUID()}` : requestedId; // [MQTT-3.1.3-6]
    const known = this.#devices.get(device) ?? {
      allowance: new DeviceAllowance(this.#rate, this.#clock()),
      sessions: new Map<string, DeviceSession>(),
    };
    this.#devices.set(device, known);
    known.sessions.get(clientId)?.connection?.end('the same client identifier has connected again');
    // Ending it may have made this device an absent one that nothing is known of.
    this.#devices.set(device, known);
    this.#absentSince.delete(device);

    const previous = known.sessions.get(clientId);
    const isContinued = previous !== undefined && !previous.cleanSession && !cleanSession;
    const unreleased: DeviceSession['unreleased'] = isContinued ? previous.unreleased : new Map();
    const session: DeviceSession = { device, clientId, cleanSession, unreleased, connection };
    known.sessions.delete(clientId);
    known.sessions.set(clientId, session);
    this.#limit(known.sessions, session);
    return { session, sessionPresent: isContinued, allowance: known.allowance };
  }

  /** The connection of the session has ended. */
  leave(session: DeviceSession): void {
    const known = this.#devices.get(session.device);
    session.connection = undefined;
    if (known === undefined || known.sessions.get(session.clientId) !== session) return;
    if (session.cleanSession) known.sessions.delete(session.clientId); // [MQTT-3.1.2-6]
    if (connected(known.sessions).length > 0) return;
    const nowMs = this.#clock();
    if (known.sessions.size === 0 && known.allowance.isFull(nowMs)) {
      this.#devices.delete(session.device);
      return;
    }
    this.#absentSince.delete(session.device);
    this.#absentSince.set(session.device, nowMs);
    if (this.#absentSince.size > ABSENT_DEVICES_MAX) this.#forgetFirst();
  }

  /** Forgets what has been kept long enough. For a timer to call. */
  sweep(): void {
    const nowMs = this.#clock();
    for (const [device, sinceMs] of this.#absentSince) {
      const known = this.#devices.get(device);
      const isNothing = known === undefined || (known.sessions.size === 0 && known.allowance.isFull(nowMs));
      if (!isNothing && nowMs - sinceMs < ABSENT_MS_MAX) continue;
      this.#absentSince.delete(device);
      this.#devices.delete(device);
    }
  }

  #limit(sessions: Map<string, DeviceSession>, newest: DeviceSession): void {
    const [oldest] = connected(sessions);
    if (connected(sessions).length > CONNECTIONS_PER_DEVICE_MAX && oldest !== undefined) {
      oldest.connection?.end('the device has connected too often under other client identifiers');
    }
    if (sessions.size <= SESSIONS_PER_DEVICE_MAX) return;
    for (const session of sessions.values()) {
      if (session === newest || session.connection !== undefined) continue;
      sessions.delete(session.clientId);
      return;
    }
  }

  #forgetFirst(): void {
    for (const device of this.#absentSince.keys()) {
      this.#absentSince.delete(device);
      this.#devices.delete(device);
      return;
    }
  }
}

function connected(sessions: ReadonlyMap<string, DeviceSession>): DeviceSession[] {
  return Array.from(sessions.values()).filter(({ connection }) => connection !== undefined);
}
