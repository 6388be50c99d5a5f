import Type from 'typebox';
import * as field from './fields.ts';
import { METRICS_MAX } from './limits.ts';

export type MetricValue = number | boolean;

const telemetryFields = {
  device_id: field.id('The device; the key of the record.'),
  event_time: field.timeMs('When the device measured.'),
  sequence: Type.Optional(field.sequence()),
  metrics: field.map<MetricValue>(Type.Union([Type.Number(), Type.Boolean()]), {
    names: field.NAME_PATTERN,
    min: 1,
    max: METRICS_MAX,
    description: 'What was measured, by name.',
  }),
  latitude: Type.Optional(field.latitude()),
  longitude: Type.Optional(field.longitude()),
  firmware: Type.Optional(field.text('Firmware version.')),
  attributes: Type.Optional(field.attributes()),
};

/** `telemetry.v1`: one reading, as it is in Kafka. */
export const Telemetry = Type.Object(telemetryFields, field.bothCoordinates);
export type Telemetry = Type.Static<typeof Telemetry>;

/** `enriched-telemetry.v1`: keyed by the owner, so that it meets the payments of the merchant that owns the device. */
export const EnrichedTelemetry = Type.Object(
  {
    ...telemetryFields,
    owner_id: field.id('The merchant that owns the device; the device itself when nobody is known.'),
    kind: Type.Optional(field.name('terminal, sensor, ...')),
  },
  field.bothCoordinates,
);
export type EnrichedTelemetry = Type.Static<typeof EnrichedTelemetry>;

/** The id of a reading: the same device, event time and sequence is the same reading, sent again. */
export function telemetryId(reading: Pick<Telemetry, 'device_id' | 'event_time' | 'sequence'>): string {
  return `${reading.device_id}:${reading.event_time}:${reading.sequence ?? ''}`;
}
