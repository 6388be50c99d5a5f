import { randomUUID } from 'node:crypto';
import { AGE_MAX_MS, type DeadLetter, PARAGRAPH_LENGTH_MAX, type Topics } from '@millrace/contracts';
import { withoutCardNumbers } from '../card-token.ts';
import { IngestError } from '../errors.ts';
import type { EventCounts } from '../metrics.ts';
import type { Publisher } from '../publisher.ts';
import { type DeviceMessage, type Refusal, readDeviceMessage } from './device-message.ts';
import { readMappedMessage } from './mapped-message.ts';
import type { MqttRoutes } from './routes.ts';
import type { SparkplugReader } from './sparkplug/message.ts';

export interface MqttIntakeOptions {
  readonly publisher: Publisher;
  readonly routes: MqttRoutes;
  /** Needed when a route is one of Sparkplug. */
  readonly readSparkplug?: SparkplugReader | undefined;
  readonly topics: Pick<Topics, 'telemetryRaw' | 'deadLetters'>;
  readonly tokenizeCard: (cardNumber: string) => string;
  readonly nowMs: () => number;
  readonly counts: EventCounts;
}

export interface MqttMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Epoch ms; the time of a status that brings none. */
  readonly receivedAtMs: number;
  readonly traceparent?: string | undefined;
  /** Whether nobody waits for the acknowledgement any more: the sender will send the message again. */
  readonly abandoned?: (() => boolean) | undefined;
  /** MQTT's DUP: it may have come before. */
  readonly redelivered?: boolean;
  /** Set when its sender may not send it: then it becomes a dead letter whole, unread. */
  readonly refused?: (Pick<Refusal, 'reason' | 'message'> & { readonly deviceId: string }) | undefined;
}

/** Resolves when the message may be acknowledged. Rejects with `IngestError` when it may not. */
export type MqttIntake = (message: MqttMessage) => Promise<void>;

/** Payloads that wait for Kafka; over it messages are refused. Each sender waits with what it has sent, so this is rare. */
export const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** What a waiting message takes beside its payload; an estimate on the high side. */
const MESSAGE_OVERHEAD_BYTES = 512;
/** And what a reading takes that is held; likewise. */
const READING_BYTES = 1_024;

/** A message that is read whenever it is wanted, or has been read and is held so. */
interface Read {
  readonly get: () => MessageRead;
  /** What it takes beside its bytes. */
  readonly heldBytes: number;
}
interface MessageRead extends DeviceMessage {
  readonly deviceId: string | undefined;
}

interface Waiting {
  /** Its place among all messages. */
  readonly turn: number;
  readonly message: MqttMessage;
  readonly read: Read;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * What happens to a device's message, whichever way it came.
 *
 * Delivery: readings go to `telemetry.raw`, and what cannot become one goes to `dead-letters` with its bytes, reason and
 * origin; the message is acknowledged after both are kept. MQTT 3.1.1 has no negative PUBACK, and a message that is
 * never acknowledged would be sent again for ever. While the publisher is full or Kafka is away a message waits, which
 * in turn makes its sender wait; it is refused only over `WAITING_BYTES_MAX`, when its sender has left, or at the end.
 * Messages enter the publisher in the order of the calls, also when some have failed and others were waiting before,
 * so the order per device is kept. A message that needs a mapping takes a moment to be read; those behind it wait for it.
 */
export function createMqttIntake(options: MqttIntakeOptions): MqttIntake {
  const { publisher, topics, tokenizeCard, nowMs, counts } = options;
  /** In the order of their turns. */
  const waiting: Waiting[] = [];
  let waitingBytes = 0;
  let nextTurn = 0;
  let pumping = false;
  /** Settles when the messages before have been read, while one of them takes its time. */
  let reading: Promise<unknown> | undefined;

  function enter(one: Waiting): void {
    const { message, resolve, reject } = one;
    const { deviceId, readings, refusals } = one.read.get();
    const letters = refusals.map((refusal) => toDeadLetter(message.topic, deviceId, refusal, tokenizeCard, nowMs()));
    const parts = [
      { contract: topics.telemetryRaw, events: readings },
      { contract: topics.deadLetters, events: letters },
    ];
    publisher.take(parts, message.traceparent, (error) => {
      if (error === undefined) {
        counts.received(readings.length + refusals.length);
        counts.accepted(readings.length);
        for (const { reason } of refusals) counts.refused(reason);
        resolve();
      } else if (error.retriable && error.code !== 'closed') wait(one);
      else {
        counts.notKept(readings.length, error);
        reject(error);
      }
    });
  }

  function wait(one: Waiting): void {
    // A message whose batch failed goes before those that came later.
    const at = waiting.findLastIndex(({ turn }) => turn < one.turn) + 1;
    waiting.splice(at, 0, one);
    waitingBytes += bytesOf(one);
    if (!pumping) void pump();
  }

  async function pump(): Promise<void> {
    pumping = true;
    while (waiting.length > 0) {
      await publisher.whenReady();
      while (publisher.ready || publisher.closing) {
        const one = waiting.shift();
        if (one === undefined) break;
        waitingBytes -= bytesOf(one);
        if (one.message.abandoned?.() === true) {
          one.reject(new IngestError('closed', 'The sender has left, and sends the message again.'));
        } else {
          enter(one);
        }
      }
    }
    pumping = false;
  }

  function take(message: MqttMessage, read: Read): Promise<void> {
    return new Promise((resolve, reject) => {
      const one = { turn: nextTurn, message, read, resolve, reject };
      nextTurn += 1;
      if (waiting.length === 0 && publisher.ready) enter(one);
      else if (waitingBytes <= WAITING_BYTES_MAX) wait(one);
      else reject(new IngestError('overloaded', 'Too much waits for Kafka already.'));
    });
  }

  return (message) => {
    const read =
      reading === undefined ? readMessage(message, options) : reading.then(() => readMessage(message, options));
    if (!(read instanceof Promise)) return take(message, read);
    // 1. Taken as soon as it is read, and 2. only then is the next one looked at: their turns are in order.
    const taken = read.then((result) => ({ kept: take(message, result) }));
    const settled = taken.then(
      () => undefined,
      () => undefined,
    );
    reading = settled;
    void settled.then(() => {
      if (reading === settled) reading = undefined;
    });
    return taken.then(({ kept }) => kept);
  };
}

/**
 * Once per message, in the order of their arrival. Plain JSON is read when it is wanted; what a mapping or an edge node's
 * births make of a payload is kept, because it is not made twice.
 */
function readMessage(message: MqttMessage, options: MqttIntakeOptions): Read | Promise<Read> {
  const { topic, payload, receivedAtMs, refused, redelivered = false } = message;
  if (refused !== undefined) {
    const { deviceId, reason, message: text } = refused;
    return unread(() => ({ deviceId, readings: [], refusals: [{ reason, message: text, bytes: payload }] }));
  }
  const deviceTopic = options.routes.match(topic);
  if (deviceTopic === undefined) return unread(() => unknownTopic(payload, options.routes));
  const { deviceId } = deviceTopic;
  const wireOptions = { nowMs: receivedAtMs, maxAgeMs: AGE_MAX_MS, tokenizeCard: options.tokenizeCard };
  if (deviceTopic.kind === 'sparkplug-b') {
    if (options.readSparkplug === undefined) throw new Error('A route of Sparkplug needs a reader of Sparkplug.');
    const read = options.readSparkplug(deviceTopic.address, payload, { ...wireOptions, redelivered });
    return held(deviceId, read);
  }
  if (deviceTopic.kind === 'telemetry' && deviceTopic.mapping !== undefined) {
    const read = readMappedMessage(deviceTopic, deviceTopic.mapping, payload, wireOptions);
    return read.then((mapped) => held(deviceId, mapped));
  }
  return unread(() => ({ deviceId, ...readDeviceMessage(deviceTopic, payload, wireOptions) }));
}

const unread = (get: () => MessageRead): Read => ({ get, heldBytes: 0 });

function held(deviceId: string, message: DeviceMessage): Read {
  const read = { deviceId, ...message };
  return { get: () => read, heldBytes: message.readings.length * READING_BYTES };
}

function bytesOf({ message, read }: Waiting): number {
  return message.payload.byteLength + MESSAGE_OVERHEAD_BYTES + read.heldBytes;
}

function toDeadLetter(
  topic: string,
  deviceId: string | undefined,
  { reason, message, bytes }: Refusal,
  tokenizeCard: (cardNumber: string) => string,
  failedAtMs: number,
): DeadLetter {
  return {
    id: randomUUID(),
    origin: {
      kind: 'mqtt',
      topic: topic.slice(0, TOPIC_LENGTH_MAX).toWellFormed(),
      ...(deviceId !== undefined && { device_id: deviceId }),
    },
    stage: 'ingest',
    reason,
    message: message.slice(0, PARAGRAPH_LENGTH_MAX).toWellFormed(),
    value_base64: withoutCardNumbers(bytes, tokenizeCard).toString('base64'),
    failed_at: failedAtMs,
  };
}

function unknownTopic(bytes: Uint8Array, { description }: MqttRoutes): MessageRead {
  const message = `The topic names no device. Publish to one of ${description}, or add a route (MQTT_ROUTES_FILE).`;
  return { deviceId: undefined, readings: [], refusals: [{ reason: 'unknown-topic', message, bytes }] };
}

/** Of the contract's field. */
const TOPIC_LENGTH_MAX = 1_024;
