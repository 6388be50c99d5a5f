import { generate, type Packet } from 'mqtt-packet';
import { READING } from '../fixtures.ts';
import { connectPacket, publishPacket } from './listener-fixture.ts';

/** What a device sends that is broken, or means harm: chunks for one connection. `random` gives numbers from 0 to 1. */
export function hostileChunks(random: () => number): Buffer[] {
  const below = (count: number) => Math.floor(random() * count);
  const noise = (bytes: number) => Buffer.from(Array.from({ length: bytes }, () => below(256)));
  const stream = Buffer.concat(Array.from(conversation(below), (packet) => generate(packet)));

  const kinds: readonly (() => Buffer[])[] = [
    () => [noise(1 + below(2_000))],
    // Cut off anywhere.
    () => [stream.subarray(0, below(stream.length))],
    () => {
      const changed = Buffer.from(stream);
      for (let count = 1 + below(8); count > 0; count -= 1) changed[below(changed.length)] = below(256);
      return [changed];
    },
    // Something put in, or left out.
    () => {
      const at = below(stream.length);
      return [stream.subarray(0, at), noise(below(20)), stream.subarray(at + below(20))];
    },
    // A packet that is announced to be huge, or longer than there are lengths, with a little of it.
    () => [
      stream,
      Buffer.of(0x30 + below(16), ...noise(4).map((byte) => byte | 0x80), below(256)),
      noise(below(3_000)),
    ],
    // After a good beginning, packets of any type with any body.
    () => [
      generate(connectPacket('device-9', { clientId: `fuzz-${below(50)}` })),
      ...Array.from({ length: 1 + below(10) }, () => {
        const body = noise(below(120));
        return Buffer.concat([Buffer.of(below(256), body.length), body]);
      }),
    ],
    // Byte by byte.
    () => Array.from(stream.subarray(0, 300), (byte) => Buffer.of(byte)),
    () => [stream],
    () => [],
  ];
  return kinds[below(kinds.length)]?.() ?? [];
}

/** What a good device might say. */
function* conversation(below: (count: number) => number): Generator<Packet> {
  const will = { topic: 'devices/device-9/status', payload: Buffer.from('offline'), qos: 1, retain: true };
  yield connectPacket('device-9', {
    clientId: `fuzz-${below(50)}`,
    clean: below(2) === 0,
    keepalive: below(100),
    ...(below(2) === 0 && { will }),
  });
  for (let count = below(12); count > 0; count -= 1) {
    const messageId = 1 + below(5);
    const topic = below(8) === 0 ? `devices/device-1/${below(3)}` : 'devices/device-9/telemetry';
    const payload = JSON.stringify({ ...READING, device_id: 'device-9', sequence: below(100) });
    const qos = below(3);
    const several: readonly Packet[] = [
      publishPacket(0, { topic, payload, qos, messageId, dup: qos > 0 && below(2) === 0 }),
      { cmd: 'pubrel', messageId },
      { cmd: 'pingreq' },
      { cmd: 'subscribe', messageId, subscriptions: [{ topic: '#', qos: 2 }] },
      { cmd: 'unsubscribe', messageId, unsubscriptions: ['#'] },
      { cmd: 'puback', messageId },
      { cmd: 'disconnect' },
    ];
    const packet = several[below(several.length + 6)] ?? several[0];
    if (packet !== undefined) yield packet;
  }
}
