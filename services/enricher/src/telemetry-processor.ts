import { type EnrichedTelemetry, type Topics, telemetryId } from '@millrace/contracts';
import { defineProcessor, hash, slidingWindowStore } from '@millrace/streams';

const GRACE_MS = 60_000;
/**
 * In stream time since the reading came. Devices keep readings for days when they are offline, and repeat what was not
 * acknowledged.
 */
const SEEN_MS = 30 * 86_400_000;
/** A repeat is recognised while its first is among this many newest readings: two full batches of one device. */
const SEEN_PER_DEVICE_MAX = 1_024;
const DEVICES_MAX = 250_000;
/** A window that is as long as all of time. */
const EVER_MS = Number.MAX_SAFE_INTEGER;

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
        fields: ['id'],
        retentionMs: SEEN_MS,
        eventsPerKeyMax: SEEN_PER_DEVICE_MAX,
        keysMax: DEVICES_MAX,
      }),
    },
    outputs: { reading: topics.telemetryEnriched },
    graceMs: GRACE_MS,
    onError: 'dead-letter',

    process: {
      reading(reading, { stores, globals, emit, streamTimeMs }) {
        const { device_id, event_time } = reading;
        const seen = stores.seen.window(device_id);
        const id = hash(telemetryId(reading));
        if (seen.countWhere('id', id, EVER_MS, streamTimeMs) > 0) return onDuplicate(false);
        // By when it came and not by its event time: what a device sends late is remembered like everything else.
        seen.add(streamTimeMs, { id });

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
