import assert from 'node:assert/strict';
import { eventually } from '@millrace/test-platform';
import { type Connection, openConnection } from '../http/connection.ts';
import { mutated, noise, whole } from '../http/random-bytes.ts';
import type { FuzzPart } from '../part.ts';

const CONNECTIONS = 5_000;
const AT_ONCE = 50;
const HALF_OPEN = 3_000;
const GOOD_EVERY = 500;
const GOOD = 'good-device';

/** MQTT connections with packets changed, cut, endless and made up, beside thousands that never finish their CONNECT. */
export const randomPackets: FuzzPart = {
  name: 'mqtt-random-packets',
  async run({ platform, random }) {
    const halfOpen: Connection[] = [];
    let messages = 0;
    try {
      while (halfOpen.length < HALF_OPEN) {
        const some = Array.from({ length: AT_ONCE }, () => openConnection(platform.mqtt));
        for (const connection of await Promise.all(some)) {
          await connection.write(connect('half-open').subarray(0, whole(random, 12)));
          halfOpen.push(connection);
        }
      }
      for (let sent = 0; sent < CONNECTIONS; sent += AT_ONCE) {
        await Promise.all(Array.from({ length: AT_ONCE }, () => attack(platform.mqtt, random)));
        if (sent % GOOD_EVERY !== 0) continue;
        await goodDevice(platform.mqtt);
        messages += 1;
      }
    } finally {
      for (const connection of halfOpen) connection.destroy();
    }
    await goodDevice(platform.mqtt);
    const beside = `${HALF_OPEN} half-open ones`;
    return `${CONNECTIONS} connections beside ${beside}; ${messages + 1} good devices were acknowledged`;
  },
};

async function attack(url: string, random: () => number): Promise<void> {
  const device = `fuzz-${whole(random, 100)}`;
  const packets = Array.from({ length: whole(random, 10) }, (_, index) => publish(device, whole(random, 3), index + 1));
  const good = Buffer.concat([connect(device), ...packets]);
  const kinds = [
    () => noise(random),
    () => mutated(good, random),
    () => good.subarray(0, whole(random, good.length)),
    () => Buffer.concat([connect(device), noise(random)]),
    // The most that can be announced, and more than can be.
    () =>
      Buffer.concat([connect(device), Buffer.of(0x32, 0xff, 0xff, 0xff, random() < 0.5 ? 0x7f : 0xff), noise(random)]),
  ];
  const connection = await openConnection(url);
  await connection.write(kinds[whole(random, kinds.length)]?.() ?? good);
  connection.destroy();
}

/** Logs in, publishes with QoS 1, and has its PUBACK. */
async function goodDevice(url: string): Promise<void> {
  const connection = await openConnection(url);
  await connection.write(Buffer.concat([connect(GOOD), publish(GOOD, 1, 1)]));
  await eventually(() => assert.equal(connection.received(), '\x20\x02\x00\x00\x40\x02\x00\x01'));
  connection.destroy();
}

/** On a laptop a device's password is its id. */
function connect(device: string): Buffer {
  const head = Buffer.concat([text('MQTT'), Buffer.of(4, 0xc2, 0, 60)]);
  return packet(0x10, Buffer.concat([head, text(device), text(device), text(device)]));
}

function publish(device: string, qos: number, packetId: number): Buffer {
  const payload = Buffer.from(JSON.stringify({ event_time: Date.now(), sequence: packetId, metrics: { level: 1.5 } }));
  const id = qos === 0 ? Buffer.alloc(0) : Buffer.of(0, packetId);
  return packet(0x30 | (qos << 1), Buffer.concat([text(`devices/${device}/telemetry`), id, payload]));
}

function packet(first: number, body: Buffer): Buffer {
  const length = body.length < 128 ? [body.length] : [(body.length & 0x7f) | 0x80, body.length >> 7];
  return Buffer.concat([Buffer.of(first, ...length), body]);
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.of(0, value.length), Buffer.from(value)]);
}
