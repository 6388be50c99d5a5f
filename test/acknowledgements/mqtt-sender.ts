import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { generate, type Packet, parser } from 'mqtt-packet';
import { idOf, type Ledger } from './ledger.ts';

/** PUBLISH packets without PUBACK or PUBCOMP. */
const WINDOW = 20;
const READINGS_MAX = 5;
const KEEP_ALIVE_SECONDS = 30;
const AGAIN_MS = 50;
const PACKET_IDS = 65_535;

/**
 * One device on MQTT 3.1.1: publishes readings with QoS 1, or with QoS 2, as fast as they are acknowledged, connects
 * again when the connection ends, and never sends a reading twice.
 *
 * @throws when an answer is not one that a right packet may get
 */
export async function publishReadings(
  port: number,
  device: string,
  qos: 1 | 2,
  ledger: Ledger,
  random: () => number,
  signal: AbortSignal,
): Promise<void> {
  let number = 0;
  while (!signal.aborted) {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const onAbort = () => socket.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await session(socket);
    } finally {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
    }
    await sleep(AGAIN_MS);
  }

  /** Ends when the connection does. */
  async function session(socket: Socket): Promise<void> {
    const idsByPacket = new Map<number, string[]>();
    let packetId = 0;
    let failure: unknown;

    function publishNext(): void {
      if (idsByPacket.size >= WINDOW || socket.destroyed) return;
      socket.cork();
      while (idsByPacket.size < WINDOW) {
        packetId = (packetId % PACKET_IDS) + 1;
        const ids = Array.from({ length: 1 + Math.floor(random() * READINGS_MAX) }, () => idOf(device, number++));
        const readings = ids.map((id) => ({
          event_time: Date.now(),
          sequence: Number(id.slice(device.length + 1)),
          metrics: { temperature: 21.5 },
        }));
        ledger.send(ids);
        idsByPacket.set(packetId, ids);
        socket.write(
          generate({
            cmd: 'publish',
            topic: `devices/${device}/telemetry`,
            payload: JSON.stringify(readings.length === 1 ? readings[0] : readings),
            messageId: packetId,
            qos,
            dup: false,
            retain: false,
          }),
        );
      }
      socket.uncork();
    }

    function take(packet: Packet): void {
      switch (packet.cmd) {
        case 'connack':
          if (packet.returnCode !== 0) throw new Error(`${device} was refused with ${packet.returnCode}`);
          break;
        case 'puback':
          ledger.acknowledge(idsByPacket.get(packet.messageId ?? 0) ?? []);
          idsByPacket.delete(packet.messageId ?? 0);
          break;
        case 'pubrec':
          // The message is the receiver's from here on.
          ledger.acknowledge(idsByPacket.get(packet.messageId ?? 0) ?? []);
          socket.write(generate({ cmd: 'pubrel', messageId: packet.messageId ?? 0, qos: 1 } as Packet));
          return;
        case 'pubcomp':
          idsByPacket.delete(packet.messageId ?? 0);
          break;
        default:
          throw new Error(`${device} got an unexpected ${packet.cmd}`);
      }
      publishNext();
    }

    const incoming = parser();
    incoming.on('packet', (packet: Packet) => {
      try {
        take(packet);
      } catch (error) {
        failure ??= error;
        socket.destroy();
      }
    });
    socket.on('data', (chunk) => incoming.parse(chunk));
    // The end of a connection is what this drill is about; what was not acknowledged stays so.
    socket.on('error', () => undefined);
    socket.write(
      generate({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clientId: device,
        username: device,
        password: Buffer.from(device),
        clean: true,
        keepalive: KEEP_ALIVE_SECONDS,
      }),
    );
    await new Promise((resolve) => socket.once('close', resolve));
    if (failure !== undefined) throw failure;
  }
}
