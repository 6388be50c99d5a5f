import {
  ID_ALPHABET,
  ID_LENGTH_MAX,
  parseTelemetry,
  TELEMETRY_BATCH_MAX,
  type Telemetry,
  type WireOptions,
} from '@millrace/contracts';
import { checkEvent, sentenceOf } from '../intake.ts';

export interface DeviceTopic {
  readonly deviceId: string;
  readonly kind: 'telemetry' | 'status';
}

export type RefusalReason =
  | 'unknown-topic' // which only the bridge can receive: the listener closes the connection of such a device
  | 'malformed-json'
  | 'malformed-utf8'
  | 'array-length'
  | 'device-mismatch' // a reading of another device than the topic's
  | 'malformed-status'
  | 'invalid-event';

/** Something in a message that cannot become a reading. */
export interface Refusal {
  readonly reason: RefusalReason;
  /** What is wrong, and the remedy. */
  readonly message: string;
  /** The message, or the one element of its array that is at fault. */
  readonly bytes: Uint8Array;
}

export interface DeviceMessage {
  readonly readings: readonly Telemetry[];
  readonly refusals: readonly Refusal[];
}

/** `devices/{device_id}/telemetry` and `devices/{device_id}/status`; `undefined` for any other topic. */
export function parseDeviceTopic(topic: string): DeviceTopic | undefined {
  const match = DEVICE_TOPIC.exec(topic);
  const [, deviceId, kind] = match ?? [];
  if (deviceId === undefined || (kind !== 'telemetry' && kind !== 'status')) return undefined;
  return { deviceId, kind };
}

/**
 * The readings in a payload. Telemetry is one reading or an array of up to `TELEMETRY_BATCH_MAX` of the topic's device,
 * whose `device_id` may be left out. A status is `online`, `offline`, a JSON boolean, or an object with `online` and
 * optionally `event_time`; it becomes the metric `online`. Each faulty element of an array is a refusal of its own.
 */
export function readDeviceMessage(topic: DeviceTopic, payload: Uint8Array, options: WireOptions): DeviceMessage {
  let text: string;
  try {
    text = utf8.decode(payload);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return refusedWhole('malformed-utf8', 'The payload is not UTF-8. Send JSON text.', payload);
  }
  return topic.kind === 'telemetry'
    ? readTelemetry(topic, text, payload, options)
    : readStatus(topic, text, payload, options);
}

/**
 * Sequences of status readings. A reading is identified by device, event time and sequence, and a status carries no
 * sequence, so it must not be taken for a reading (or for the opposite status) of the same millisecond.
 */
export const STATUS_SEQUENCE = { online: Number.MAX_SAFE_INTEGER, offline: Number.MAX_SAFE_INTEGER - 1 } as const;

const DEVICE_TOPIC = new RegExp(`^devices/([${ID_ALPHABET}]{1,${ID_LENGTH_MAX}})/(telemetry|status)$`);
const utf8 = new TextDecoder('utf-8', { fatal: true });

function readTelemetry(topic: DeviceTopic, text: string, payload: Uint8Array, options: WireOptions): DeviceMessage {
  const input = parseJson(text);
  if (input === undefined) return refusedWhole('malformed-json', 'The payload is not JSON. Send a reading.', payload);
  if (!Array.isArray(input)) {
    return single(readReading(topic, input, options), payload);
  }
  if (input.length === 0 || input.length > TELEMETRY_BATCH_MAX) {
    const message = `The array has ${input.length} readings. Send 1 to ${TELEMETRY_BATCH_MAX}.`;
    return refusedWhole('array-length', message, payload);
  }
  const readings: Telemetry[] = [];
  const refusals: Refusal[] = [];
  for (const element of input) {
    const result = readReading(topic, element, options);
    if (result.ok) readings.push(result.reading);
    else refusals.push({ reason: result.reason, message: result.message, bytes: Buffer.from(JSON.stringify(element)) });
  }
  return { readings, refusals };
}

type ReadingResult =
  | { readonly ok: true; readonly reading: Telemetry }
  | { readonly ok: false; readonly reason: RefusalReason; readonly message: string };

function single(result: ReadingResult, payload: Uint8Array): DeviceMessage {
  if (result.ok) return { readings: [result.reading], refusals: [] };
  return refusedWhole(result.reason, result.message, payload);
}

function readReading(topic: DeviceTopic, input: unknown, options: WireOptions): ReadingResult {
  const named = nameDevice(topic.deviceId, input);
  const checked = checkEvent({ parse: parseTelemetry }, named, options);
  if (!checked.ok) {
    return { ok: false, reason: 'invalid-event', message: sentenceOf(checked.problems) };
  }
  if (checked.event.device_id === topic.deviceId) return { ok: true, reading: checked.event };
  const message = 'device_id is not the device of the topic. Publish it to the topic of that device, or leave it out.';
  return { ok: false, reason: 'device-mismatch', message };
}

/** The topic says which device it is; a copy, so that a refused element keeps its bytes. */
function nameDevice(deviceId: string, input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input) || 'device_id' in input) return input;
  return { ...input, device_id: deviceId };
}

function readStatus(topic: DeviceTopic, text: string, payload: Uint8Array, options: WireOptions): DeviceMessage {
  const status = parseStatus(text.trim());
  if (status === undefined) {
    const message = 'Send online, offline, true, false, or {"online": true, "event_time": ...} as the status.';
    return refusedWhole('malformed-status', message, payload);
  }
  const { online, eventTime = options.nowMs } = status;
  const sequence = online ? STATUS_SEQUENCE.online : STATUS_SEQUENCE.offline;
  return single(readReading(topic, { event_time: eventTime, sequence, metrics: { online } }, options), payload);
}

function parseStatus(text: string): { online: boolean; eventTime?: unknown } | undefined {
  const value = text === 'online' || text === 'offline' ? text : parseJson(text);
  if (value === true || value === 'online') return { online: true };
  if (value === false || value === 'offline') return { online: false };
  if (typeof value !== 'object' || value === null || !('online' in value) || typeof value.online !== 'boolean')
    return undefined;
  return 'event_time' in value ? { online: value.online, eventTime: value.event_time } : { online: value.online };
}

function refusedWhole(reason: RefusalReason, message: string, bytes: Uint8Array): DeviceMessage {
  return { readings: [], refusals: [{ reason, message, bytes }] };
}

/** `undefined` for what is not JSON (which has no such value). */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
