import type { Duplex } from 'node:stream';
import { IngestError } from '../errors.ts';
import type { DeviceAllowance } from './device-allowance.ts';
import type { DeviceSession, SessionConnection } from './device-sessions.ts';
import { PacketReader } from './packet-reader.ts';
import {
  type ConnectPacket,
  connack,
  type DevicePacket,
  type PublishPacket,
  pingresp,
  puback,
  pubcomp,
  pubrec,
  RETURN_CODE,
  type ReturnCode,
  subackRefusing,
  unsuback,
} from './packets.ts';

/** Why nothing more is read from a device for now. */
export type WaitReason =
  | 'rate' // it has used up what it may send in this time
  | 'in-flight' // as much of it as may be is on its way into Kafka
  | 'answers'; // it does not read what it is answered

export interface DeviceLimits {
  readonly packetBytesMax: number;
  /** Messages of one connection on their way into Kafka, and the bytes of their payloads. */
  readonly inFlightMax: number;
  readonly inFlightBytesMax: number;
}

export interface Admitted {
  readonly session: DeviceSession;
  readonly sessionPresent: boolean;
  readonly allowance: DeviceAllowance;
}

/** `misdirected`: kept as a dead letter, and acknowledged, but the device sends what it may not, and is disconnected. */
export type Taken = 'kept' | 'misdirected';

/** What a connection asks of the listener. */
export interface ConnectionHooks {
  readonly limits: DeviceLimits;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  /** Who it is, or the return code for whom is not let in. */
  admit(packet: ConnectPacket, connection: DeviceConnection): Admitted | ReturnCode;
  /** Called in the order of the messages. Rejects when the device must send the message again. */
  take(session: DeviceSession, packet: PublishPacket, abandoned: (() => boolean) | undefined): Promise<Taken>;
  subscriptionRefused(): void;
  waiting(connection: DeviceConnection, reason: WaitReason | undefined): void;
  /** Once, at the end. `error` when it was the device's fault. */
  ended(connection: DeviceConnection, end: ConnectionEnd): void;
}

export interface ConnectionEnd {
  readonly reason: string;
  readonly error: IngestError | undefined;
  readonly session: DeviceSession | undefined;
  /** To be published: the connection has ended without a DISCONNECT (3.1.2.5). */
  readonly will: ConnectPacket['will'];
}

const CONNECT_MS_MAX = 10_000;
/** Client identifier, user name, password and last will together. */
const CONNECT_BYTES_MAX = 16 * 1024;
/** QoS 2 messages of one session between PUBLISH and PUBREL. MQTT 3.1.1 has no way to tell a client of a smaller window. */
export const UNRELEASED_MAX = 10_000;
/** How long a device may leave its answers unread. */
const ANSWERS_MS_MAX = 30_000;
/** How long the last answer may take before the connection is cut. */
const LEAVE_MS_MAX = 2_000;

interface InFlight {
  /** `undefined` for QoS 0. */
  readonly answer: Buffer | undefined;
  readonly bytes: number;
  taken: Taken | undefined;
}

/**
 * One connection of a device: MQTT 3.1.1 without deliveries, over any stream of bytes.
 *
 * Delivery: PUBACK and PUBREC are sent after `take`, in the order of the messages [MQTT-4.6.0-2]. A QoS 2 message that
 * is repeated before its PUBREL is not taken again [MQTT-4.3.3-2], on this connection or a later one of the session.
 * When a message cannot be taken the connection ends without its acknowledgement, and the device sends it again.
 *
 * While a limit is reached nothing is read from the stream, so it is the device that waits, and no other. The keep-alive
 * time does not run meanwhile, because its PINGREQ may be among what is not read.
 */
export class DeviceConnection implements SessionConnection {
  readonly #stream: Duplex;
  readonly #hooks: ConnectionHooks;
  readonly #reader = new PacketReader(CONNECT_BYTES_MAX);
  readonly #window: InFlight[] = [];
  readonly #abandoned = () => this.#state === 'ended';
  #state: 'new' | 'open' | 'ended' = 'new';
  #admitted: Admitted | undefined;
  #will: ConnectPacket['will'];
  #inFlightBytes = 0;
  #answers: Buffer[] = [];
  #waiting: WaitReason | undefined;
  #stopping = false;
  /** First for CONNECT, then for the keep-alive time. */
  #timer: NodeJS.Timeout | undefined;
  #waitTimer: NodeJS.Timeout | undefined;

  constructor(stream: Duplex, hooks: ConnectionHooks) {
    this.#stream = stream;
    this.#hooks = hooks;
    this.#timer = setTimeout(() => this.end('CONNECT has not come in time'), CONNECT_MS_MAX);
    stream.on('data', (chunk: Buffer) => this.#received(chunk));
    stream.on('drain', () => this.#advance());
    stream.on('error', () => {}); // 'close' follows.
    stream.once('end', () => this.end('the device has closed the connection'));
    stream.once('close', () => this.end('the connection is lost'));
  }

  get session(): DeviceSession | undefined {
    return this.#admitted?.session;
  }

  /** Messages on their way into Kafka. */
  get inFlight(): number {
    return this.#window.length;
  }

  /** Reads nothing more; what is on its way is still acknowledged. */
  stop(): void {
    this.#stopping = true;
    this.#stream.pause();
  }

  /** Sends what is to be sent, then ends the connection. */
  leave(reason: string, lastAnswer?: Buffer, error?: IngestError): void {
    if (this.#state === 'ended') return;
    if (lastAnswer !== undefined) this.#answers.push(lastAnswer);
    this.#flush();
    const stream = this.#stream;
    const timer = setTimeout(() => stream.destroy(), LEAVE_MS_MAX);
    stream.once('close', () => clearTimeout(timer));
    // What still comes is read and dropped: unread bytes would turn the end into a reset, and lose the last answer.
    stream.resume();
    stream.end();
    this.#end(reason, error);
  }

  /** Ends the connection at once. */
  end(reason: string, error?: IngestError): void {
    if (this.#state === 'ended') return;
    this.#end(reason, error);
    this.#stream.destroy();
  }

  #end(reason: string, error: IngestError | undefined): void {
    this.#state = 'ended';
    clearTimeout(this.#timer);
    this.#wait(undefined);
    this.#window.length = 0;
    const will = this.#will;
    this.#will = undefined;
    this.#hooks.ended(this, { reason, error, session: this.session, will });
  }

  #received(chunk: Buffer): void {
    if (this.#state === 'ended') return;
    if (this.#state === 'open') this.#timer?.refresh();
    this.#reader.push(chunk);
    this.#advance();
  }

  #advance(): void {
    try {
      while (this.#state !== 'ended' && !this.#stopping) {
        const reason = this.#mustWait();
        this.#wait(reason);
        if (reason !== undefined) return;
        const packet = this.#reader.next();
        if (packet === undefined) return;
        this.#admitted?.allowance.take(this.#reader.packetBytes);
        if (this.#state === 'new') this.#connect(packet);
        else this.#handle(packet);
      }
    } catch (error) {
      if (!(error instanceof IngestError)) throw error;
      this.end(error.message, error);
    }
  }

  #mustWait(): WaitReason | undefined {
    const { inFlightMax, inFlightBytesMax } = this.#hooks.limits;
    if (this.#window.length >= inFlightMax || this.#inFlightBytes >= inFlightBytesMax) return 'in-flight';
    if (this.#stream.writableNeedDrain) return 'answers';
    const waitMs = this.#admitted?.allowance.waitMs(this.#hooks.clock()) ?? 0;
    return waitMs > 0 ? 'rate' : undefined;
  }

  #wait(reason: WaitReason | undefined): void {
    if (reason === this.#waiting) {
      if (reason !== 'rate') return;
    } else {
      this.#waiting = reason;
      this.#hooks.waiting(this, reason);
      if (reason === undefined) this.#stream.resume();
      else this.#stream.pause();
    }
    clearTimeout(this.#waitTimer);
    if (reason === 'rate') {
      // Another connection of the device may use up what is earned meanwhile; then it waits again.
      const waitMs = this.#admitted?.allowance.waitMs(this.#hooks.clock()) ?? 0;
      this.#waitTimer = setTimeout(() => this.#advance(), Math.ceil(waitMs));
    } else if (reason === 'answers') {
      this.#waitTimer = setTimeout(() => this.end('it does not read its answers'), ANSWERS_MS_MAX);
    }
  }

  #connect(packet: DevicePacket): void {
    if (packet.type === 'connect-of-other-version') {
      const error = new IngestError('not-allowed', 'The device speaks another version than MQTT 3.1.1.');
      this.leave(error.message, connack(RETURN_CODE.unacceptableVersion, false), error); // [MQTT-3.1.2-2]
      return;
    }
    if (packet.type !== 'connect') throw brokenOrder('The first packet is not CONNECT.'); // [MQTT-3.1.0-1]
    if (packet.clientId === '' && !packet.cleanSession) {
      this.leave('no client identifier', connack(RETURN_CODE.identifierRejected, false)); // [MQTT-3.1.3-8]
      return;
    }
    const admitted = this.#hooks.admit(packet, this);
    if (typeof admitted === 'number') {
      this.leave('not admitted', connack(admitted, false)); // [MQTT-3.2.2-4]
      return;
    }
    this.#state = 'open';
    this.#admitted = admitted;
    this.#will = packet.will;
    this.#reader.bytesMax = this.#hooks.limits.packetBytesMax;
    clearTimeout(this.#timer);
    // [MQTT-3.1.2-24] one and a half times the keep-alive time; 0 turns it off.
    const silenceMsMax = packet.keepAliveSeconds * 1_500;
    this.#timer = silenceMsMax === 0 ? undefined : setTimeout(() => this.#silent(), silenceMsMax);
    this.#answer(connack(RETURN_CODE.accepted, admitted.sessionPresent));
  }

  #silent(): void {
    if (this.#waiting === undefined) this.end('nothing has come for one and a half times the keep-alive time');
    else this.#timer?.refresh();
  }

  #handle(packet: DevicePacket): void {
    switch (packet.type) {
      case 'publish':
        this.#publish(packet);
        return;
      case 'pubrel':
        // [MQTT-4.3.3-2] also when it is not known any more: the device must be able to let go of it.
        this.session?.unreleased.delete(packet.packetId);
        this.#answer(pubcomp(packet.packetId));
        return;
      case 'pingreq':
        this.#answer(pingresp()); // [MQTT-3.12.4-1]
        return;
      case 'subscribe':
        this.#hooks.subscriptionRefused();
        this.#answer(subackRefusing(packet.packetId, packet.filters));
        return;
      case 'unsubscribe':
        this.#answer(unsuback(packet.packetId)); // [MQTT-3.10.4-5] also without a subscription
        return;
      case 'acknowledgement':
        return;
      case 'disconnect':
        this.#will = undefined; // [MQTT-3.14.4-3]
        this.end('DISCONNECT');
        return;
      default:
        throw brokenOrder('A second CONNECT.'); // [MQTT-3.1.0-2]
    }
  }

  #publish(packet: PublishPacket): void {
    const { qos, packetId, payload } = packet;
    const answer = qos === 0 ? undefined : qos === 1 ? puback(packetId) : pubrec(packetId);
    const entry: InFlight = { answer, bytes: payload.length, taken: undefined };
    this.#window.push(entry);
    this.#inFlightBytes += entry.bytes;
    this.#take(packet).then(
      (taken) => this.#settle(entry, taken),
      (error: unknown) => {
        if (!(error instanceof IngestError)) throw error;
        if (qos === 0) this.#settle(entry, 'kept');
        else this.end(error.message);
      },
    );
  }

  #take(packet: PublishPacket): Promise<Taken> {
    const { session } = this;
    if (session === undefined) throw new Error('A message before CONNECT.');
    // Nobody sends a QoS 0 message again, so it goes on its way also when its sender has left meanwhile. So does a QoS 2
    // message that the session will know as received.
    if (packet.qos === 0) return this.#hooks.take(session, packet, undefined);
    if (packet.qos === 1) return this.#hooks.take(session, packet, this.#abandoned);
    const { unreleased } = session;
    const before = unreleased.get(packet.packetId);
    if (before !== undefined) return before.then(() => 'kept');
    if (unreleased.size >= UNRELEASED_MAX) {
      throw new IngestError('not-allowed', `${UNRELEASED_MAX} QoS 2 messages wait for their PUBREL already.`);
    }
    const taken = this.#hooks.take(session, packet, session.cleanSession ? this.#abandoned : undefined);
    unreleased.set(packet.packetId, taken);
    const isStill = () => unreleased.get(packet.packetId) === taken;
    taken.then(
      // A promise that holds nothing, because there may be many.
      () => isStill() && unreleased.set(packet.packetId, KEPT),
      () => isStill() && unreleased.delete(packet.packetId),
    );
    return taken;
  }

  #settle(entry: InFlight, taken: Taken): void {
    entry.taken = taken;
    while (this.#state !== 'ended') {
      const [first] = this.#window;
      if (first?.taken === undefined) break;
      this.#window.shift();
      this.#inFlightBytes -= first.bytes;
      if (first.answer !== undefined) this.#answer(first.answer);
      if (first.taken === 'misdirected') this.leave('it publishes to a topic that is not its own');
    }
    if (this.#waiting === 'in-flight') this.#advance();
  }

  /** The answers of one turn of the event loop leave in one piece. */
  #answer(bytes: Buffer): void {
    this.#answers.push(bytes);
    if (this.#answers.length === 1) process.nextTick(() => this.#flush());
  }

  #flush(): void {
    const answers = this.#answers;
    const [first] = answers;
    if (first === undefined) return;
    this.#answers = [];
    if (this.#stream.writable) this.#stream.write(answers.length === 1 ? first : Buffer.concat(answers));
  }
}

const KEPT: Promise<Taken> = Promise.resolve('kept');

function brokenOrder(message: string): IngestError {
  return new IngestError('malformed-packet', message);
}
