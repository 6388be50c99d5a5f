import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';
import { PacketReader } from '../../src/mqtt/packet-reader.ts';
import type { DevicePacket } from '../../src/mqtt/packets.ts';

const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(fields, { noNullPrototype: true });

/** Every packet in the bytes, read as if they came in chunks of this size. */
function readAll(bytes: Buffer, chunkBytes: number, bytesMax = 1_000_000): DevicePacket[] {
  const reader = new PacketReader(bytesMax);
  const packets: DevicePacket[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    // A copy, as from a socket: what was read may not depend on bytes around it.
    reader.push(Buffer.from(bytes.subarray(at, at + chunkBytes)));
    for (let packet = reader.next(); packet !== undefined; packet = reader.next()) packets.push(packet);
  }
  return packets;
}

const packetId = fc.integer({ min: 1, max: 65_535 });
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }).filter((some) => !/[#+\0]/.test(some));
const bytes = fc.uint8Array({ maxLength: 700 }).map((some) => Buffer.from(some));

/** Packets as another library writes them, each with what is to be read. */
const written: fc.Arbitrary<{ packet: Packet; expected: object }> = fc.oneof(
  record({ topic: text, payload: bytes, qos: fc.constantFrom(1, 2), messageId: packetId, dup: fc.boolean() }).map(
    ({ topic, payload, qos, messageId, dup }) => ({
      packet: { cmd: 'publish', topic, payload, qos, messageId, dup, retain: false } as Packet,
      expected: { type: 'publish', topic, payload, qos, packetId: messageId, dup },
    }),
  ),
  record({ topic: text, payload: bytes, retain: fc.boolean() }).map(({ topic, payload, retain }) => ({
    packet: { cmd: 'publish', topic, payload, qos: 0, dup: false, retain } as Packet,
    expected: { type: 'publish', topic, payload, qos: 0, packetId: 0, dup: false },
  })),
  record({
    clientId: text,
    clean: fc.boolean(),
    keepalive: fc.integer({ min: 0, max: 65_535 }),
    username: fc.option(text, { nil: undefined }),
    password: bytes,
    will: fc.option(record({ topic: text, payload: bytes }), { nil: undefined }),
  }).map(({ clientId, clean, keepalive, username, password, will }) => ({
    packet: {
      ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, clean, keepalive },
      ...(username !== undefined && { username, password }),
      ...(will && { will: { ...will, qos: 1, retain: true } }),
    } as Packet,
    expected: {
      ...{ type: 'connect', clientId, cleanSession: clean, keepAliveSeconds: keepalive, will },
      ...{ userName: username, password: username === undefined ? undefined : password },
    },
  })),
  packetId.map((messageId) => ({
    packet: { cmd: 'pubrel', messageId } as Packet,
    expected: { type: 'pubrel', packetId: messageId },
  })),
  fc.tuple(packetId, fc.array(text, { minLength: 1, maxLength: 4 })).map(([messageId, topics]) => ({
    packet: { cmd: 'subscribe', messageId, subscriptions: topics.map((topic) => ({ topic, qos: 1 })) } as Packet,
    expected: { type: 'subscribe', packetId: messageId, filters: topics.length },
  })),
  fc.tuple(packetId, fc.array(text, { minLength: 1, maxLength: 4 })).map(([messageId, topics]) => ({
    packet: { cmd: 'unsubscribe', messageId, unsubscriptions: topics } as Packet,
    expected: { type: 'unsubscribe', packetId: messageId },
  })),
  packetId.map((messageId) => ({
    packet: { cmd: 'puback', messageId } as Packet,
    expected: { type: 'acknowledgement' },
  })),
  fc.constantFrom('pingreq', 'disconnect').map((cmd) => ({ packet: { cmd } as Packet, expected: { type: cmd } })),
);

test('what another library writes is read as it was meant, however it is cut into chunks', () => {
  fc.assert(
    fc.property(
      fc.array(written, { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 2_000 }),
      (packets, chunkBytes) => {
        const sent = Buffer.concat(packets.map(({ packet }) => generate(packet)));
        assert.deepEqual(
          readAll(sent, chunkBytes),
          packets.map(({ expected }) => expected),
        );
      },
    ),
  );
});

test('whatever bytes come, they are packets or an error of the device', () => {
  const begin = fc.constantFrom(0x10, 0x30, 0x32, 0x34, 0x40, 0x62, 0x82, 0xa2, 0xc0, 0xe0);
  fc.assert(
    fc.property(
      begin,
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 1, max: 50 }),
      (first, rest, chunkBytes) => {
        try {
          for (const { type } of readAll(Buffer.of(first, ...rest), chunkBytes)) assert.equal(typeof type, 'string');
        } catch (error) {
          assert.match(String((error as { code?: string }).code), /^(malformed-packet|packet-size)$/);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test('a packet over the limit is refused when its header has come, and the one of the limit is read', () => {
  const of = (length: number) => generate({ cmd: 'publish', topic: 't', payload: Buffer.alloc(length), ...QOS_0 });
  const exact = of(200);
  assert.equal(readAll(exact, 7, exact.length).length, 1);
  assert.throws(() => readAll(of(201).subarray(0, 3), 1, exact.length), { code: 'packet-size' });
  assert.throws(() => readAll(Buffer.of(0x30, 0xff, 0xff, 0xff, 0x7f), 1), { code: 'packet-size' });
});

test('a packet that is announced takes no more memory than its bytes that have come', () => {
  const readers = Array.from({ length: 200 }, () => new PacketReader(250_000_000));
  const before = process.memoryUsage().arrayBuffers;
  for (const reader of readers) {
    reader.push(Buffer.of(0x30, 0xff, 0xff, 0xff, 0x6f, 0, 1, 65));
    assert.equal(reader.next(), undefined);
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < readers.length * 2_048);
});

/** Each breaks one clause of MQTT 3.1.1. */
const MALFORMED: Readonly<Record<string, readonly number[]>> = {
  'a remaining length of five bytes': [0x30, 0x80, 0x80, 0x80, 0x80, 0x01],
  'QoS 3': [0x36, 5, 0, 1, 65, 0, 1],
  'DUP with QoS 0': [0x38, 3, 0, 1, 65],
  'an empty topic': [0x30, 2, 0, 0],
  'a wildcard in a topic': [0x30, 3, 0, 1, 35],
  'a topic that ends behind its packet': [0x30, 3, 0, 9, 65],
  'a topic that is not UTF-8': [0x30, 3, 0, 1, 0xff],
  'a surrogate in a topic': [0x30, 5, 0, 3, 0xed, 0xa0, 0x80],
  'U+0000 in a topic': [0x30, 3, 0, 1, 0],
  'packet identifier 0': [0x32, 5, 0, 1, 65, 0, 0],
  'a PUBLISH without its identifier': [0x32, 3, 0, 1, 65],
  'flags of PUBREL': [0x60, 2, 0, 1],
  'flags of SUBSCRIBE': [0x80, 6, 0, 1, 0, 1, 65, 1],
  'a SUBSCRIBE without a filter': [0x82, 2, 0, 1],
  'a subscription with QoS 3': [0x82, 6, 0, 1, 0, 1, 65, 3],
  'an UNSUBSCRIBE without a filter': [0xa2, 2, 0, 1],
  'a PINGREQ with a body': [0xc0, 1, 0],
  'a DISCONNECT with a body': [0xe0, 1, 0],
  'a CONNACK from a device': [0x20, 2, 0, 0],
  'type 0': [0x00, 0],
  'type 15': [0xf0, 0],
  'another protocol': [0x10, 12, 0, 4, 72, 84, 84, 80, 4, 2, 0, 0, 0, 0],
  'the reserved flag of CONNECT': [0x10, 12, 0, 4, 77, 81, 84, 84, 4, 3, 0, 0, 0, 0],
  'a QoS of no will': [0x10, 12, 0, 4, 77, 81, 84, 84, 4, 0x0a, 0, 0, 0, 0],
  'a will with QoS 3': [0x10, 17, 0, 4, 77, 81, 84, 84, 4, 0x1e, 0, 0, 0, 0, 0, 1, 65, 0, 0],
  'a password without a user name': [0x10, 14, 0, 4, 77, 81, 84, 84, 4, 0x42, 0, 0, 0, 0, 0, 0],
  'bytes behind a CONNECT': [0x10, 13, 0, 4, 77, 81, 84, 84, 4, 2, 0, 0, 0, 0, 9],
};

for (const [what, packet] of Object.entries(MALFORMED)) {
  test(`${what} is no packet of MQTT 3.1.1`, () => {
    assert.throws(() => readAll(Buffer.from(packet), 1), { code: 'malformed-packet' });
  });
}

test('a replacement character that was sent as such is no fault', () => {
  const sent = generate({ cmd: 'publish', topic: 'a\ufffdb', payload: 'x', ...QOS_0 });
  assert.deepEqual(
    readAll(sent, 100).map((packet) => packet.type === 'publish' && packet.topic),
    ['a\ufffdb'],
  );
});

test('CONNECT of MQTT 5 is told apart, and MQTT 3.1 is read like 3.1.1', () => {
  const common = { cmd: 'connect', clientId: 'c', clean: true, keepalive: 1 } as const;
  const five = generate({ ...common, protocolId: 'MQTT', protocolVersion: 5, properties: { receiveMaximum: 7 } });
  const old = generate({ ...common, protocolId: 'MQIsdp', protocolVersion: 3 });
  assert.deepEqual(
    [five, old].map((sent) => readAll(sent, 100)[0]?.type),
    ['connect-of-other-version', 'connect'],
  );
});

const QOS_0 = { qos: 0, dup: false, retain: false } as const;
