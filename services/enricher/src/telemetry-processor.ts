import type { EnrichedTelemetry, Topics } from '@millrace/contracts';
import { defineProcessor, slidingWindowStore } from '@millrace/streams';

const GRACE_MS = 60_000;
/** Devices keep readings for days when they are offline, and repeat what was not acknowledged. */
const SEEN_MS = 30 * 86_400_000;
/** A repeat is recognised while its first is among this many newest readings: two full batches of one device. */
const SEEN_PER_DEVICE_MAX = 1_024;
const DEVICES_MAX = 250_000;
/** Readings without a sequence number are told apart by their event time alone. */
const NO_SEQUENCE = -1;

/**
 * Readings, by device. A reading that has been seen (same device, event time and sequence) is dropped and counted; all
 * others go to the owner's partition, where they meet the payments of that merchant. Late readings go on like others.
 *
 * Delivery: exactly once. A reading is emitted in the transaction that remembers it.
 */
export function telemetryProcessor(topics: Topics, onDuplicate: (conflict: boolean) => void) {
  return defineProcessor({
    name: 'telemetry',
    inputs: { reading: topics.telemetryRaw },
    globals: { devices: topics.devices },
    stores: {
      seen: slidingWindowStore({
        fields: ['sequence'],
        retentionMs: SEEN_MS,
        eventsPerKeyMax: SEEN_PER_DEVICE_MAX,
        keysMax: DEVICES_MAX,
      }),
    },
    outputs: { reading: topics.telemetryEnriched },
    graceMs: GRACE_MS,
    onError: 'dead-letter',

    process: {
      reading(reading, { stores, globals, emit }) {
        const { device_id, event_time } = reading;
        const seen = stores.seen.window(device_id);
        const sequence = reading.sequence ?? NO_SEQUENCE;
        if (seen.countWhere('sequence', sequence, 1, event_time) > 0) return onDuplicate(false);
        seen.add(event_time, { sequence });

        const device = globals.devices.get(device_id, event_time);
        const enriched: EnrichedTelemetry = { ...reading, owner_id: device?.merchant_id ?? device_id };
        if (device?.kind !== undefined) enriched.kind = device.kind;
        emit('reading', enriched);
      },
    },

    onTombstone(_input, _key, { deadLetter }) {
      deadLetter('empty', 'a reading without a value');
    },
  });
}
