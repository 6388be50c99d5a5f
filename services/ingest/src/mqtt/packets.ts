import { IngestError } from '../errors.ts';

/**
 * What a device may send, as MQTT 3.1.1 says (the numbers in brackets are its clauses). This server delivers nothing, so
 * the acknowledgements of deliveries (PUBACK, PUBREC and PUBCOMP from a device) are read over.
 */
export type DevicePacket =
  | ConnectPacket
  /** A CONNECT of MQTT 5, or of a version that there is not yet. */
  | { readonly type: 'connect-of-other-version' }
  | PublishPacket
  | { readonly type: 'pubrel'; readonly packetId: number }
  | { readonly type: 'subscribe'; readonly packetId: number; readonly filters: number }
  | { readonly type: 'unsubscribe'; readonly packetId: number }
  | { readonly type: 'acknowledgement' | 'pingreq' | 'disconnect' };

export interface ConnectPacket {
  readonly type: 'connect';
  readonly clientId: string;
  readonly cleanSession: boolean;
  readonly keepAliveSeconds: number;
  readonly userName: string | undefined;
  readonly password: Buffer | undefined;
  readonly will: { readonly topic: string; readonly payload: Buffer } | undefined;
}

export interface PublishPacket {
  readonly type: 'publish';
  readonly topic: string;
  /** A view of what was read from the socket. */
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  /** The device says that it has sent it before. */
  readonly dup: boolean;
  /** 0 for QoS 0, which has none. */
  readonly packetId: number;
}

/** The control packet's first byte is the type (upper half) and flags. */
const TYPE = {
  connect: 1,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  unsubscribe: 10,
  pingreq: 12,
  disconnect: 14,
} as const;
const DEVICE_TYPES: ReadonlySet<number> = new Set(Object.values(TYPE));

/**
 * Whether a packet may begin with this byte: a type that a device sends, and the flags that it must have [MQTT-2.2.2-2].
 * Most of what is not MQTT is known for it here.
 */
export function isFirstByte(byte: number): boolean {
  const type = byte >> 4;
  if (type === TYPE.publish) return true;
  const flags = type === TYPE.pubrel || type === TYPE.subscribe || type === TYPE.unsubscribe ? 2 : 0;
  return (byte & 0x0f) === flags && DEVICE_TYPES.has(type);
}

/**
 * Reads one packet: `bytes` from `start`, where `isFirstByte` is true, to `end`; `bodyStart` is where its fixed header
 * ends.
 *
 * @throws {IngestError} `malformed-packet`: the connection must be closed [MQTT-4.8.0-1].
 */
export function readPacket(bytes: Buffer, start: number, bodyStart: number, end: number): DevicePacket {
  const first = bytes[start] ?? 0;
  const body = new Body(bytes, bodyStart, end);
  switch (first >> 4) {
    case TYPE.publish:
      return readPublish(body, first & 0x0f);
    case TYPE.connect:
      return readConnect(body);
    case TYPE.puback:
    case TYPE.pubrec:
    case TYPE.pubcomp:
      body.packetId();
      body.finish();
      return ACKNOWLEDGEMENT;
    case TYPE.pubrel: {
      const packetId = body.packetId();
      body.finish();
      return { type: 'pubrel', packetId };
    }
    case TYPE.subscribe:
      return readSubscribe(body);
    case TYPE.unsubscribe:
      return readUnsubscribe(body);
    case TYPE.pingreq:
      body.finish();
      return PINGREQ;
    default:
      body.finish();
      return DISCONNECT;
  }
}

const ACKNOWLEDGEMENT = { type: 'acknowledgement' } as const;
const PINGREQ = { type: 'pingreq' } as const;
const DISCONNECT = { type: 'disconnect' } as const;

function readPublish(body: Body, flags: number): PublishPacket {
  const qos = (flags >> 1) & 3;
  if (qos === 3) throw malformed('QoS 3'); // [MQTT-3.3.1-4]
  const dup = (flags & 8) !== 0;
  if (qos === 0 && dup) throw malformed('DUP with QoS 0'); // [MQTT-3.3.1-2]
  const topic = body.text();
  // [MQTT-4.7.3-1], [MQTT-3.3.2-2]
  if (topic === '' || topic.includes('#') || topic.includes('+')) throw malformed('no topic, or one with a wildcard');
  const packetId = qos === 0 ? 0 : body.packetId();
  return { type: 'publish', topic, payload: body.rest(), qos: qos as 0 | 1 | 2, dup, packetId };
}

/** Level 3 is MQTT 3.1, whose packets are the same; its protocol has another name. */
const LEVEL_BY_NAME: Readonly<Record<string, number>> = { MQTT: 4, MQIsdp: 3 };

function readConnect(body: Body): DevicePacket {
  const name = body.text();
  const level = body.byte();
  if (!Object.hasOwn(LEVEL_BY_NAME, name)) throw malformed('not MQTT'); // [MQTT-3.1.2-1]
  if (level !== LEVEL_BY_NAME[name]) return { type: 'connect-of-other-version' };
  const flags = body.byte();
  const has = (flag: number) => (flags & flag) !== 0;
  const willQos = (flags >> 3) & 3;
  if (has(0x01)) throw malformed('the reserved flag of CONNECT'); // [MQTT-3.1.2-3]
  // [MQTT-3.1.2-14], and [MQTT-3.1.2-11], [MQTT-3.1.2-13], [MQTT-3.1.2-15]
  if (willQos === 3 || (!has(0x04) && (has(0x20) || willQos !== 0))) throw malformed('the flags of the will');
  if (!has(0x80) && has(0x40)) throw malformed('a password without a user name'); // [MQTT-3.1.2-22]
  const keepAliveSeconds = body.uint16();
  const clientId = body.text();
  // A copy: it is kept as long as the connection, and the chunk that it lies in should not be.
  const will = has(0x04) ? { topic: body.text(), payload: Buffer.from(body.binary()) } : undefined;
  const userName = has(0x80) ? body.text() : undefined;
  const password = has(0x40) ? body.binary() : undefined;
  body.finish();
  return { type: 'connect', clientId, cleanSession: has(0x02), keepAliveSeconds, userName, password, will };
}

function readSubscribe(body: Body): DevicePacket {
  const packetId = body.packetId();
  let filters = 0;
  do {
    body.text();
    if (body.byte() > 2) throw malformed('QoS 3'); // [MQTT-3.8.3-4]
    filters += 1;
  } while (!body.atEnd); // [MQTT-3.8.3-3] there is at least one
  return { type: 'subscribe', packetId, filters };
}

function readUnsubscribe(body: Body): DevicePacket {
  const packetId = body.packetId();
  do body.text();
  while (!body.atEnd); // [MQTT-3.10.3-2]
  return { type: 'unsubscribe', packetId };
}

/** What follows the fixed header, read from its begin. */
class Body {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get atEnd(): boolean {
    return this.#at >= this.#end;
  }

  byte(): number {
    const at = this.#skip(1);
    return this.#bytes[at] ?? 0;
  }

  uint16(): number {
    const at = this.#skip(2);
    return ((this.#bytes[at] ?? 0) << 8) | (this.#bytes[at + 1] ?? 0);
  }

  packetId(): number {
    const packetId = this.uint16();
    if (packetId === 0) throw malformed('packet identifier 0'); // [MQTT-2.3.1-1]
    return packetId;
  }

  text(): string {
    const length = this.uint16();
    const at = this.#skip(length);
    const text = this.#bytes.toString('utf8', at, at + length);
    if (text.includes('\0')) throw malformed('U+0000 in a text'); // [MQTT-1.5.3-2]
    // [MQTT-1.5.3-1] Only where the decoder has put a replacement character may the bytes have been wrong.
    if (text.includes('\ufffd') && !Buffer.from(text).equals(this.#bytes.subarray(at, at + length))) {
      throw malformed('a text that is not UTF-8');
    }
    return text;
  }

  binary(): Buffer {
    const length = this.uint16();
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  rest(): Buffer {
    const at = this.#at;
    this.#at = this.#end;
    return this.#bytes.subarray(at, this.#end);
  }

  finish(): void {
    if (this.#at !== this.#end) throw malformed('bytes behind its end');
  }

  #skip(length: number): number {
    const at = this.#at;
    if (at + length > this.#end) throw malformed('it ends too early');
    this.#at = at + length;
    return at;
  }
}

export function malformed(what: string): IngestError {
  return new IngestError('malformed-packet', `A packet breaks MQTT 3.1.1: ${what}.`);
}

/** CONNACK return codes (table 3.1). */
export const RETURN_CODE = {
  accepted: 0,
  unacceptableVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
} as const;
export type ReturnCode = (typeof RETURN_CODE)[keyof typeof RETURN_CODE];

export const connack = (returnCode: ReturnCode, sessionPresent: boolean): Buffer =>
  Buffer.of(0x20, 2, sessionPresent ? 1 : 0, returnCode);
export const puback = (packetId: number): Buffer => answer(0x40, packetId);
export const pubrec = (packetId: number): Buffer => answer(0x50, packetId);
export const pubcomp = (packetId: number): Buffer => answer(0x70, packetId);
export const unsuback = (packetId: number): Buffer => answer(0xb0, packetId);
export const pingresp = (): Buffer => Buffer.of(0xd0, 0);

function answer(first: number, packetId: number): Buffer {
  return Buffer.of(first, 2, packetId >> 8, packetId & 0xff);
}

/** SUBACK with "failure" for every filter (3.9.3). */
export function subackRefusing(packetId: number, filters: number): Buffer {
  const length = [];
  for (let rest = 2 + filters; ; rest >>= 7) {
    length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) break;
  }
  return Buffer.concat([Buffer.of(0x90, ...length, packetId >> 8, packetId & 0xff), Buffer.alloc(filters, 0x80)]);
}
