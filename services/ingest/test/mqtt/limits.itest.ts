import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { generate } from 'mqtt-packet';
import { READING } from '../fixtures.ts';
import {
  connectPacket,
  createListener,
  createRawDevice,
  publishPacket,
  type RawDevice,
  until,
} from './listener-fixture.ts';

const generous = { packetsPerSecond: 1_000_000, bytesPerSecond: 1_000_000_000 };

/** QoS 1 messages `from` up to `to`, of a device whose packets the test does not wait for. */
function flood(device: RawDevice, from: number, to: number): void {
  const packets = Array.from({ length: to - from }, (_, index) => publishPacket(from + index));
  device.socket.write(Buffer.concat(packets.map((packet) => generate(packet))));
}

const acknowledged = ({ received }: RawDevice) => received.filter(({ cmd }) => cmd === 'puback').length;

test('a device that floods is slowed to its rate and loses nothing; another one is acknowledged meanwhile', async (t) => {
  const rate = { packetsPerSecond: 200, bytesPerSecond: 1_000_000 };
  const { listener, sequences, slowed } = await createListener(t, { rate });
  const [flooding, quiet] = [createRawDevice(t, listener.ports.port), createRawDevice(t, listener.ports.port)];
  flooding.send(connectPacket('device-1'));
  quiet.send(connectPacket('device-2'));
  await Promise.all([flooding.answers(1), quiet.answers(1)]);
  const startedMs = performance.now();
  flood(flooding, 1, 1_001);
  for (let sequence = 1; sequence <= 10; sequence += 1) {
    const payload = JSON.stringify({ ...READING, device_id: 'device-2', sequence });
    quiet.send(publishPacket(sequence, { topic: 'devices/device-2/telemetry', payload }));
    await quiet.answers(1 + sequence);
    await sleep(50);
  }
  // What it may send at once, and what it has earned since.
  const allowance = 200 + (200 * (performance.now() - startedMs)) / 1_000;
  assert.equal(acknowledged(quiet), 10);
  assert.ok(acknowledged(flooding) <= allowance + 1, `${acknowledged(flooding)} of ${allowance}`);
  assert.equal(listener.slowed, 1);
  assert.ok(((await slowed()).rate ?? 0) >= 1);
  await until(() => acknowledged(flooding) === 1_000);
  const elapsedMs = performance.now() - startedMs;
  assert.ok(elapsedMs >= ((1_000 - 200) / 200) * 1_000, `1,000 messages at 200/s within ${elapsedMs} ms`);
  assert.deepEqual(
    sequences(),
    Array.from({ length: 1_000 }, (_, index) => index + 1),
  );
  await until(() => listener.slowed === 0);
});

test('bytes count as well as packets', async (t) => {
  const rate = { packetsPerSecond: 1_000_000, bytesPerSecond: 50_000 };
  const { listener } = await createListener(t, { rate });
  const device = createRawDevice(t, listener.ports.port);
  device.send(connectPacket('device-1'));
  const startedMs = performance.now();
  // Each is a dead letter, whose size is what counts here.
  const payload = 'x'.repeat(24_900);
  device.send(...Array.from({ length: 5 }, (_, index) => publishPacket(index + 1, { payload })));
  await device.answers(6);
  // The first three use up the burst and leave a debt of a half second; each of the others adds another.
  assert.ok(performance.now() - startedMs >= 900);
});

test('a device does not escape its rate by connecting again, or under several client identifiers', async (t) => {
  const rate = { packetsPerSecond: 50, bytesPerSecond: 1_000_000 };
  const { listener } = await createListener(t, { rate });
  const startedMs = performance.now();
  const devices = ['a', 'b', 'c'].map((clientId) => {
    const device = createRawDevice(t, listener.ports.port);
    device.send(connectPacket('device-1', { clientId }));
    flood(device, 1, 101);
    return device;
  });
  await sleep(500);
  for (const { socket } of devices) socket.destroy();
  await until(() => listener.connections === 0);
  const again = createRawDevice(t, listener.ports.port);
  again.send(connectPacket('device-1'));
  flood(again, 1, 101);
  await sleep(500);
  const total = [...devices, again].reduce((sum, device) => sum + acknowledged(device), 0);
  const allowance = 50 + (50 * (performance.now() - startedMs)) / 1_000;
  assert.ok(total > 0 && total <= allowance + devices.length + 1, `${total} of ${allowance}`);
});

test('while Kafka is slow no more of a device is in flight than may be, and another one still logs in', async (t) => {
  const limits = { inFlightMax: 20 };
  const { listener, producer, publisher, slowed, sequences } = await createListener(t, { limits, rate: generous });
  producer.hold();
  const device = createRawDevice(t, listener.ports.port);
  device.send(connectPacket('device-1'));
  flood(device, 1, 501);
  await until(() => publisher.depth >= 20);
  const other = createRawDevice(t, listener.ports.port);
  other.send(connectPacket('device-2'), { cmd: 'pingreq' });
  assert.deepEqual(await other.answers(2), ['connack', 'pingresp']);
  assert.equal(publisher.depth, 20);
  assert.deepEqual(await slowed(), { 'in-flight': 1 });
  producer.release();
  await until(() => acknowledged(device) === 500);
  assert.deepEqual(
    sequences(),
    Array.from({ length: 500 }, (_, index) => index + 1),
  );
});

test('the bytes of what is in flight are bounded too', async (t) => {
  const limits = { inFlightBytesMax: 10_000 };
  const { listener, producer, publisher } = await createListener(t, { limits, rate: generous });
  producer.hold();
  const device = createRawDevice(t, listener.ports.port);
  device.send(connectPacket('device-1'));
  device.send(...Array.from({ length: 30 }, (_, index) => publishPacket(index + 1, { payload: 'x'.repeat(1_000) })));
  await until(() => publisher.depth >= 10);
  await sleep(50);
  assert.equal(publisher.depth, 10);
  producer.release();
  await until(() => acknowledged(device) === 30);
});

test('a device is not taken for dead because its PINGREQ is behind what is not read', async (t) => {
  const limits = { inFlightMax: 5 };
  const { listener, producer, sequences } = await createListener(t, { limits, rate: generous });
  producer.hold();
  const device = createRawDevice(t, listener.ports.port);
  device.send(connectPacket('device-1', { keepalive: 1 }));
  flood(device, 1, 21);
  const pings = setInterval(() => device.send({ cmd: 'pingreq' }), 300);
  t.after(() => clearInterval(pings));
  await sleep(2_500);
  producer.release();
  await until(() => acknowledged(device) === 20);
  assert.equal(sequences().length, 20);
});

test('a device that does not read its answers is read no further', async (t) => {
  const { listener, slowed } = await createListener(t, { rate: generous });
  const device = createRawDevice(t, listener.ports.port);
  device.send(connectPacket('device-1'));
  await device.answers(1);
  device.socket.pause();
  const pings = Buffer.concat(Array.from({ length: 50_000 }, () => generate({ cmd: 'pingreq' })));
  while (((await slowed()).answers ?? 0) === 0) {
    device.socket.write(pings);
    await sleep(5);
  }
  device.socket.resume();
  await until(() => device.received.length > 50_000);
});
