import { randomUUID } from 'node:crypto';
import { AGE_MAX_MS, type DeadLetter, PARAGRAPH_LENGTH_MAX, type Topics } from '@millrace/contracts';
import { withoutCardNumbers } from '../card-token.ts';
import { IngestError } from '../errors.ts';
import type { EventCounts } from '../metrics.ts';
import type { Publisher } from '../publisher.ts';
import { type DeviceTopic, parseDeviceTopic, type Refusal, readDeviceMessage } from './device-message.ts';

export interface MqttIntakeOptions {
  readonly publisher: Publisher;
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
  readonly abandoned?: () => boolean;
}

/** Resolves when the message may be acknowledged. Rejects with `IngestError` when it may not. */
export type MqttIntake = (message: MqttMessage) => Promise<void>;

/** Payloads that wait for Kafka; over it messages are refused. Each sender waits with what it has sent, so this is rare. */
export const WAITING_BYTES_MAX = 64 * 1024 * 1024;

/**
 * What happens to a device's message, whichever way it came.
 *
 * Delivery: readings go to `telemetry.raw`, and what cannot become one goes to `dead-letters` with its bytes, reason and
 * origin; the message is acknowledged after both are kept. MQTT 3.1.1 has no negative PUBACK, and a message that is
 * never acknowledged would be sent again for ever. While the publisher is full or Kafka is away a message waits, which
 * in turn makes its sender wait; it is refused only over `WAITING_BYTES_MAX`, when its sender has left, or at the end.
 * Messages enter the publisher in the order of the calls, also after waiting, so the order per device is kept.
 */
export function createMqttIntake({ publisher, topics, tokenizeCard, nowMs, counts }: MqttIntakeOptions): MqttIntake {
  let waitingBytes = 0;

  async function untilReady({ payload, abandoned }: MqttMessage): Promise<void> {
    if (publisher.ready) return;
    if (waitingBytes > WAITING_BYTES_MAX) throw new IngestError('overloaded', 'Too much waits for Kafka already.');
    waitingBytes += payload.byteLength;
    // Those who wait go on in their order and in one turn of the event loop, so no later message overtakes them.
    do await publisher.whenReady();
    while (!publisher.ready && !publisher.closing);
    waitingBytes -= payload.byteLength;
    if (abandoned?.() === true) throw new IngestError('closed', 'The sender has left, and sends the message again.');
  }

  return async (message) => {
    for (;;) {
      await untilReady(message);
      const { deviceTopic, readings, refusals } = read(message, tokenizeCard);
      const letters = refusals.map((refusal) =>
        toDeadLetter(message.topic, deviceTopic, refusal, tokenizeCard, nowMs()),
      );
      try {
        await publisher.publishAll(
          [
            { contract: topics.telemetryRaw, events: readings },
            { contract: topics.deadLetters, events: letters },
          ],
          message.traceparent,
        );
      } catch (error) {
        if (error instanceof IngestError && error.retriable && error.code !== 'closed') continue;
        counts.notKept(readings.length, error);
        throw error;
      }
      counts.received(readings.length + refusals.length);
      counts.accepted(readings.length);
      for (const { reason } of refusals) counts.refused(reason);
      return;
    }
  };
}

function read({ topic, payload, receivedAtMs }: MqttMessage, tokenizeCard: (cardNumber: string) => string) {
  const deviceTopic = parseDeviceTopic(topic);
  if (deviceTopic === undefined) return { deviceTopic, ...unknownTopic(payload) };
  const options = { nowMs: receivedAtMs, maxAgeMs: AGE_MAX_MS, tokenizeCard };
  return { deviceTopic, ...readDeviceMessage(deviceTopic, payload, options) };
}

function toDeadLetter(
  topic: string,
  deviceTopic: DeviceTopic | undefined,
  { reason, message, bytes }: Refusal,
  tokenizeCard: (cardNumber: string) => string,
  failedAtMs: number,
): DeadLetter {
  return {
    id: randomUUID(),
    origin: {
      kind: 'mqtt',
      topic: topic.slice(0, TOPIC_LENGTH_MAX).toWellFormed(),
      ...(deviceTopic && { device_id: deviceTopic.deviceId }),
    },
    stage: 'ingest',
    reason,
    message: message.slice(0, PARAGRAPH_LENGTH_MAX).toWellFormed(),
    value_base64: withoutCardNumbers(bytes, tokenizeCard).toString('base64'),
    failed_at: failedAtMs,
  };
}

function unknownTopic(bytes: Uint8Array): { readings: []; refusals: Refusal[] } {
  const message = 'The topic names no device. Publish to devices/{device_id}/telemetry or devices/{device_id}/status.';
  return { readings: [], refusals: [{ reason: 'unknown-topic', message, bytes }] };
}

/** Of the contract's field. */
const TOPIC_LENGTH_MAX = 1_024;
