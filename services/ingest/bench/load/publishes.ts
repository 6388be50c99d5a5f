import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type EventTemplates, writeNumber } from './events.ts';
import { type Meter, pace } from './meter.ts';
import type { Load } from './requests.ts';
import type { LoadTask } from './task.ts';

/** A listening socket queues 511 that it has not accepted yet. */
const CONNECTS_AT_ONCE = 100;
/** In an open model; what comes due beyond it waits, and its time counts. */
const IN_FLIGHT_MAX = 64;
const KEEP_ALIVE_SECONDS = 600;
const PUBLISH_QOS_1 = 0x32;
const PUBACK = 0x40;
const CONNACK = 0x20;

/**
 * Readings by MQTT 3.1.1, QoS 1, one connection per device. Frames are serialised beforehand; packet id and number are
 * written into a copy. Messages that an incoming chunk of PUBACKs makes room for go out in one write.
 */
export async function startPublishes(
  task: LoadTask,
  readings: EventTemplates['readings'],
  meter: Meter,
): Promise<Load> {
  const closed = task.eventsPerSecond === undefined;
  let running = true;
  let underWay = 0;
  let settled = (): void => undefined;

  const onAcknowledged = (device: Device, count: number): void => {
    underWay -= count;
    if (running) {
      const nowMs = performance.now();
      const due = closed ? Array.from({ length: count }, () => nowMs) : device.waiting.splice(0, count);
      if (due.length > 0) send(device, due);
    } else if (underWay === 0) settled();
  };
  const send = (device: Device, due: readonly number[]): void => {
    underWay += due.length;
    device.publish(meter.take(due.length), due);
  };

  const devices: Device[] = [];
  for (let from = 0; from < task.connections; from += CONNECTS_AT_ONCE) {
    const some = readings.slice(from, Math.min(from + CONNECTS_AT_ONCE, task.connections));
    devices.push(...(await Promise.all(some.map((reading) => openDevice(task, reading, meter, onAcknowledged)))));
  }
  let stopPacing = (): void => undefined;
  if (task.eventsPerSecond === undefined) {
    const nowMs = performance.now();
    for (const device of devices)
      send(
        device,
        Array.from({ length: task.window }, () => nowMs),
      );
  } else {
    let next = 0;
    stopPacing = pace(task.eventsPerSecond, (dueMs) => {
      const device = devices[next];
      next = (next + 1) % devices.length;
      if (device === undefined) return;
      if (device.inFlight < IN_FLIGHT_MAX) send(device, [dueMs]);
      else device.waiting.push(dueMs);
    });
  }
  return {
    async stop() {
      running = false;
      stopPacing();
      if (underWay > 0) {
        await new Promise<void>((resolve) => {
          settled = resolve;
        });
      }
      for (const device of devices) device.close();
    },
  };
}

async function openDevice(
  { port }: LoadTask,
  reading: EventTemplates['readings'][number],
  meter: Meter,
  onAcknowledged: (device: Device, count: number) => void,
): Promise<Device> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  socket.write(connectFrame(reading.deviceId));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  if (answer[0] !== CONNACK || answer[3] !== 0) throw new Error(`${reading.deviceId} was refused: ${answer[3]}`);
  return new Device(socket, publishFrame(reading), meter, onAcknowledged);
}

interface Frame {
  readonly bytes: Buffer;
  readonly packetIdAt: number;
  readonly numberAt: number;
}

class Device {
  /** Times of messages that had no room, oldest first. */
  readonly waiting: number[] = [];
  readonly #socket: Socket;
  readonly #frame: Frame;
  readonly #meter: Meter;
  readonly #onAcknowledged: (device: Device, count: number) => void;
  /** In flight, by packet id modulo its length: PUBACKs come in the order of the messages [MQTT-4.6.0-2]. */
  readonly #numbers = new Float64Array(IN_FLIGHT_MAX);
  readonly #dueMs = new Float64Array(IN_FLIGHT_MAX);
  #sent = 0;
  #settled = 0;
  #held: Buffer | undefined;
  #closing = false;

  constructor(socket: Socket, frame: Frame, meter: Meter, onAcknowledged: (device: Device, count: number) => void) {
    this.#socket = socket;
    this.#frame = frame;
    this.#meter = meter;
    this.#onAcknowledged = onAcknowledged;
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('close', () => {
      if (!this.#closing) throw new Error('the broker has closed a connection');
    });
  }

  get inFlight(): number {
    return this.#sent - this.#settled;
  }

  publish(first: number, due: readonly number[]): void {
    const { bytes, packetIdAt, numberAt } = this.#frame;
    const out = Buffer.allocUnsafe(bytes.length * due.length);
    for (let index = 0; index < due.length; index += 1) {
      const at = index * bytes.length;
      bytes.copy(out, at);
      out.writeUInt16BE(packetIdOf(this.#sent), at + packetIdAt);
      writeNumber(out, at + numberAt, first + index);
      this.#numbers[this.#sent % IN_FLIGHT_MAX] = first + index;
      this.#dueMs[this.#sent % IN_FLIGHT_MAX] = due[index] ?? 0;
      this.#sent += 1;
    }
    this.#socket.write(out);
  }

  close(): void {
    this.#closing = true;
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    const all = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes]);
    const nowMs = performance.now();
    let at = 0;
    for (; at + 4 <= all.length; at += 4) {
      if (all[at] !== PUBACK || all.readUInt16BE(at + 2) !== packetIdOf(this.#settled)) {
        throw new Error('another packet than the next PUBACK');
      }
      const slot = this.#settled % IN_FLIGHT_MAX;
      this.#meter.acknowledged(this.#numbers[slot] ?? 0, 1, nowMs - (this.#dueMs[slot] ?? 0));
      this.#settled += 1;
    }
    this.#held = at === all.length ? undefined : all.subarray(at);
    if (at > 0) this.#onAcknowledged(this, at / 4);
  }
}

/** 1 to 65,535. */
function packetIdOf(count: number): number {
  return (count % 0xffff) + 1;
}

function connectFrame(deviceId: string): Buffer {
  const flags = 0xc2; // user name, password, clean session
  const variable = Buffer.from([
    0,
    4,
    ...Buffer.from('MQTT'),
    4,
    flags,
    KEEP_ALIVE_SECONDS >> 8,
    KEEP_ALIVE_SECONDS & 0xff,
  ]);
  const id = text(deviceId);
  return frame(0x10, [variable, id, id, id]).bytes;
}

function publishFrame({ deviceId, json, numberAt }: EventTemplates['readings'][number]): Frame {
  const topic = text(`devices/${deviceId}/telemetry`);
  const { bytes, headerLength } = frame(PUBLISH_QOS_1, [topic, Buffer.from([0, 0]), json]);
  const packetIdAt = headerLength + topic.length;
  return { bytes, packetIdAt, numberAt: packetIdAt + 2 + numberAt };
}

function frame(type: number, parts: readonly Buffer[]): { readonly bytes: Buffer; readonly headerLength: number } {
  const header = [type];
  let rest = parts.reduce((sum, part) => sum + part.length, 0);
  do {
    header.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>= 7;
  } while (rest > 0);
  return { bytes: Buffer.concat([Buffer.from(header), ...parts]), headerLength: header.length };
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}
