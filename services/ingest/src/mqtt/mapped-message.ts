import { TELEMETRY_BATCH_MAX, type Telemetry, type WireOptions } from '@millrace/contracts';
import { type DeviceMessage, decodeText, notUtf8, parseJson, readReading, refusedWhole } from './device-message.ts';
import type { Mapping } from './mapping.ts';
import type { TelemetryTopic } from './routes.ts';

/**
 * The readings that a mapping makes of a payload, which is any JSON. All faults are one refusal with the payload as it
 * was sent, so that it is kept once and can be mapped again as a whole; the readings that are right are taken.
 */
export async function readMappedMessage(
  topic: TelemetryTopic,
  mapping: Mapping,
  payload: Uint8Array,
  options: WireOptions,
): Promise<DeviceMessage> {
  const refused = (readings: readonly Telemetry[], problem: string): DeviceMessage => {
    const message = `The mapping of ${topic.route} ${problem} Correct the mapping (MQTT_ROUTES_FILE) or the payload.`;
    return { readings, refusals: [{ reason: 'mapping-failed', message, bytes: payload }] };
  };
  const text = decodeText(payload);
  if (text === undefined) return notUtf8(payload);
  const input = parseJson(text);
  if (input === undefined) return refusedWhole('malformed-json', 'The payload is not JSON. Send JSON.', payload);

  let mapped: unknown;
  try {
    mapped = await mapping(input, { deviceId: topic.deviceId, levels: topic.levels, receivedAtMs: options.nowMs });
  } catch (error) {
    return refused([], `failed: ${error instanceof Error ? error.message : String(error)}.`);
  }
  if (mapped === undefined) return refused([], 'made nothing of the payload.');
  const elements: readonly unknown[] = Array.isArray(mapped) ? mapped : [mapped];
  if (elements.length === 0 || elements.length > TELEMETRY_BATCH_MAX) {
    return refused([], `made ${elements.length} readings, not 1 to ${TELEMETRY_BATCH_MAX}.`);
  }
  // What of the topic belongs into a reading is the mapping's to say, but for the device.
  const results = elements.map((element) => readReading({ deviceId: topic.deviceId, levels: {} }, element, options));
  const readings = results.flatMap((result) => (result.ok ? [result.reading] : []));
  const [first] = results.flatMap((result) => (result.ok ? [] : [result.message]));
  if (first === undefined) return { readings, refusals: [] };
  return refused(readings, `made ${results.length - readings.length} of ${results.length} readings wrong: ${first}.`);
}
