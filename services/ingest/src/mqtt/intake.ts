import { randomUUID } from 'node:crypto';
import { AGE_MAX_MS, type DeadLetter, PARAGRAPH_LENGTH_MAX, type Topics } from '@millrace/contracts';
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
}

/** Resolves when the message may be acknowledged. Rejects with `IngestError` when Kafka did not take it. */
export type MqttIntake = (message: MqttMessage) => Promise<void>;

/**
 * What happens to a device's message, whichever way it came.
 *
 * Delivery: readings go to `telemetry.raw`, and what cannot become one goes to `dead-letters` with its bytes, reason and
 * origin; the message is acknowledged after both are kept. MQTT 3.1.1 has no negative PUBACK, and a message that is
 * never acknowledged would be sent again for ever. Messages enter the publisher in the order of the calls, so the order
 * per device is kept. While the publisher is full a call waits, which in turn makes the sender wait.
 */
export function createMqttIntake({ publisher, topics, tokenizeCard, nowMs, counts }: MqttIntakeOptions): MqttIntake {
  return async (message) => {
    // Waiting calls go on in their order and in one turn of the event loop, so no later message overtakes them.
    while (publisher.full) await publisher.room();
    const deviceTopic = parseDeviceTopic(message.topic);
    const { readings, refusals } =
      deviceTopic === undefined
        ? unknownTopic(message.payload)
        : readDeviceMessage(deviceTopic, message.payload, {
            nowMs: message.receivedAtMs,
            maxAgeMs: AGE_MAX_MS,
            tokenizeCard,
          });
    counts.received(readings.length + refusals.length);
    const letters = refusals.map((refusal) => toDeadLetter(message.topic, deviceTopic, refusal, nowMs()));
    try {
      await publisher.publishAll(
        [
          { contract: topics.telemetryRaw, events: readings },
          { contract: topics.deadLetters, events: letters },
        ],
        message.traceparent,
      );
    } catch (error) {
      counts.notKept(readings.length, error);
      throw error;
    }
    counts.accepted(readings.length);
    for (const { reason } of refusals) counts.refused(reason);
  };
}

function toDeadLetter(
  topic: string,
  deviceTopic: DeviceTopic | undefined,
  { reason, message, bytes }: Refusal,
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
    value_base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'),
    failed_at: failedAtMs,
  };
}

function unknownTopic(bytes: Uint8Array): { readings: []; refusals: Refusal[] } {
  const message = 'The topic names no device. Publish to devices/{device_id}/telemetry or devices/{device_id}/status.';
  return { readings: [], refusals: [{ reason: 'unknown-topic', message, bytes }] };
}

/** Of the contract's field. */
const TOPIC_LENGTH_MAX = 1_024;
