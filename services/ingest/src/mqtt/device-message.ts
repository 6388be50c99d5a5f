import { parseTelemetry, TELEMETRY_BATCH_MAX, type Telemetry, type WireOptions } from '@millrace/contracts';
import { checkEvent, sentenceOf } from '../intake.ts';
import type { StatusTopic, TelemetryTopic } from './routes.ts';
import type { LevelValues } from './topic-template.ts';

export type RefusalReason =
  | 'unknown-topic' // which only the bridge can receive
  | 'foreign-topic' // which only the listener knows: not one of the device that is connected
  | 'malformed-json'
  | 'malformed-utf8'
  | 'array-length'
  | 'device-mismatch' // a reading of another device than the topic's
  | 'topic-mismatch' // a field that says something else than the topic's level of that name
  | 'malformed-status'
  | 'mapping-failed' // by its expression, or because no reading came out of it
  | 'malformed-sparkplug'
  | 'unknown-alias' // a Sparkplug metric without a name, whose birth has not been seen
  | 'no-reading' // a Sparkplug message that holds nothing that can be one
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

/**
 * The readings in a payload. Telemetry is one reading or an array of up to `TELEMETRY_BATCH_MAX` of the topic's device,
 * whose `device_id` may be left out. A status is `online`, `offline`, a JSON boolean, or an object with `online` and
 * optionally `event_time`; it becomes the metric `online`. Each faulty element of an array is a refusal of its own.
 *
 * Other named levels of the topic become attributes.
 */
export function readDeviceMessage(
  topic: TelemetryTopic | StatusTopic,
  payload: Uint8Array,
  options: WireOptions,
): DeviceMessage {
  const text = decodeText(payload);
  if (text === undefined) return notUtf8(payload);
  return topic.kind === 'telemetry'
    ? readTelemetry(topic, text, payload, options)
    : readStatus(topic, text, payload, options);
}

/**
 * Sequences of status readings. A reading is identified by device, event time and sequence, and a status carries no
 * sequence, so it must not be taken for a reading (or for the opposite status) of the same millisecond.
 */
export const STATUS_SEQUENCE = { online: Number.MAX_SAFE_INTEGER, offline: Number.MAX_SAFE_INTEGER - 1 } as const;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** `undefined` when the bytes are not UTF-8. */
export function decodeText(payload: Uint8Array): string | undefined {
  try {
    return utf8.decode(payload);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

export function notUtf8(payload: Uint8Array): DeviceMessage {
  return refusedWhole('malformed-utf8', 'The payload is not UTF-8. Send JSON text.', payload);
}

function readTelemetry(topic: TelemetryTopic, text: string, payload: Uint8Array, options: WireOptions): DeviceMessage {
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
    else refusals.push({ reason: result.reason, message: result.message, bytes: bytesOf(element, payload) });
  }
  return { readings, refusals };
}

/** An element by itself. One that is nested deeper than the stack can be read, but not written: then it is the payload. */
function bytesOf(element: unknown, payload: Uint8Array): Uint8Array {
  try {
    return Buffer.from(JSON.stringify(element));
  } catch (error) {
    if (error instanceof RangeError) return payload;
    throw error;
  }
}

export type ReadingResult =
  | { readonly ok: true; readonly reading: Telemetry }
  | { readonly ok: false; readonly reason: RefusalReason; readonly message: string };

function single(result: ReadingResult, payload: Uint8Array): DeviceMessage {
  if (result.ok) return { readings: [result.reading], refusals: [] };
  return refusedWhole(result.reason, result.message, payload);
}

/** One reading of the topic's device, from its wire form. */
export function readReading(
  { deviceId, levels }: Pick<TelemetryTopic, 'deviceId' | 'levels'>,
  input: unknown,
  options: WireOptions,
): ReadingResult {
  const checked = checkEvent({ parse: parseTelemetry }, withTopic(deviceId, levels, input), options);
  if (!checked.ok) {
    return { ok: false, reason: 'invalid-event', message: sentenceOf(checked.problems) };
  }
  const reading = checked.event;
  if (reading.device_id !== deviceId) {
    const message =
      'device_id is not the device of the topic. Publish it to the topic of that device, or leave it out.';
    return { ok: false, reason: 'device-mismatch', message };
  }
  for (const name in levels) {
    if (reading.attributes?.[name] === levels[name]) continue;
    const message = `${name} is not what the topic says. Publish to the right topic, or leave ${name} out.`;
    return { ok: false, reason: 'topic-mismatch', message };
  }
  return { ok: true, reading };
}

/** What the topic says, where the reading does not say it; a copy, so that a refused element keeps its bytes. */
function withTopic(deviceId: string, levels: LevelValues, input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  const given = input as Readonly<Record<string, unknown>>;
  const { attributes } = given;
  const inAttributes = typeof attributes === 'object' && attributes !== null ? attributes : {};
  let missing: Record<string, string> | undefined;
  if (!('device_id' in given)) missing = { device_id: deviceId };
  for (const name in levels) {
    if (name in given || name in inAttributes) continue;
    missing = { ...missing, [name]: levels[name] ?? '' };
  }
  return missing === undefined ? input : { ...given, ...missing };
}

function readStatus(topic: StatusTopic, text: string, payload: Uint8Array, options: WireOptions): DeviceMessage {
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

export function refusedWhole(reason: RefusalReason, message: string, bytes: Uint8Array): DeviceMessage {
  return { readings: [], refusals: [{ reason, message, bytes }] };
}

/** `undefined` for what is not JSON (which has no such value). */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
