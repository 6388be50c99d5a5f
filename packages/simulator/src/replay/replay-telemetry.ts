import { basename } from 'node:path';
import { ID_ALPHABET, ID_LENGTH_MAX } from '@millrace/contracts';
import { SimulatorError } from '../errors.ts';
import type { DeviceFleet } from '../send/device-fleet.ts';
import { sendLines } from '../send/event-sender.ts';
import { createLanes } from '../send/lanes.ts';
import { createPace } from './pace.ts';
import type { Replayed, ReplayOptions } from './replay-payments.ts';
import type { FileKind } from './rows.ts';

type TelemetryFile = Extract<FileKind, { kind: 'telemetry' }>;

export interface Span {
  readonly firstMs: number;
  readonly lastMs: number;
}

/**
 * How the times of a file become times that a device may send: over MQTT nothing may be older than 30 days. The last
 * reading of a fast replay is of now, the ones before it keep their distances, or, where the file is longer than that,
 * its whole length is shortened to fit. A replay in step with the clock sends each reading at the moment it is of.
 */
export function timesFor(
  span: Span,
  options: { readonly speed: number; readonly nowMs: number },
): (timeMs: number) => number {
  const lengthMs = span.lastMs - span.firstMs;
  if (Number.isFinite(options.speed)) {
    return (timeMs) => Math.round(options.nowMs + (timeMs - span.firstMs) / options.speed);
  }
  const scale = Math.min(1, SPAN_MS_MAX / Math.max(1, lengthMs));
  return (timeMs) => Math.round(options.nowMs - (span.lastMs - timeMs) * scale);
}

/** A day less than what ingest takes. */
const SPAN_MS_MAX = 29 * 86_400_000;
const READINGS_PER_REQUEST_MAX = 500;
const READINGS_UNDER_WAY_MAX = 5_000;
const LINGER_MS = 10;

/** `.../ec2_cpu_utilization_24ae8d.csv` is what the device `ec2_cpu_utilization_24ae8d` measured. */
export function deviceIdOf(path: string): string {
  const name = basename(path).replace(/(\.csv)?(\.gz)?$/i, '');
  return name.replaceAll(NOT_IN_ID, '-').slice(0, ID_LENGTH_MAX) || 'device';
}

const NOT_IN_ID = new RegExp(`[^${ID_ALPHABET}]`, 'g');

/** First and last time of a file. @throws {SimulatorError} `usage` when it has none. */
export async function spanOf(file: TelemetryFile, rows: AsyncIterable<readonly string[]>): Promise<Span> {
  let firstMs = Number.POSITIVE_INFINITY;
  let lastMs = Number.NEGATIVE_INFINITY;
  for await (const cells of rows) {
    const row = file.read(cells);
    if ('problem' in row) continue;
    firstMs = Math.min(firstMs, row.timeMs);
    lastMs = Math.max(lastMs, row.timeMs);
  }
  if (firstMs > lastMs) throw new SimulatorError('usage', 'The file has no row with a timestamp and a value.');
  return { firstMs, lastMs };
}

/** Where readings go: over the device's MQTT connection, or, with their original times, through the batch route. */
export type ReadingRoute =
  | { readonly kind: 'mqtt'; readonly fleet: DeviceFleet; readonly eventMs: (timeMs: number) => number }
  | { readonly kind: 'batch' };

/** Sends the readings of a file as those of one device, in order. */
export async function replayTelemetry(
  file: TelemetryFile,
  options: ReplayOptions & { readonly deviceId: string; readonly route: ReadingRoute },
): Promise<Replayed> {
  const { session, deviceId, route, signal } = options;
  const { ledger } = session;
  const pace = createPace(options);
  const lines = createLanes<{ id: string; json: string }>({
    lanes: 1,
    batchMax: READINGS_PER_REQUEST_MAX,
    lingerMs: LINGER_MS,
    itemsMax: READINGS_UNDER_WAY_MAX,
    async send(batch) {
      const { accepted, refused } = await sendLines(session.ingest, 'telemetry', batch);
      for (const { id } of accepted) ledger.acknowledged('telemetry', id);
      for (const { event, reason } of refused) ledger.refused('telemetry', event.id, reason);
    },
  });
  const unusable = new Map<string, number>();
  let rows = 0;
  const startedMs = options.nowMs();

  for await (const cells of options.rows) {
    const row = file.read(cells);
    rows += 1;
    if ('problem' in row) unusable.set(row.problem, (unusable.get(row.problem) ?? 0) + 1);
    else {
      await pace(row.timeMs);
      const event_time = route.kind === 'mqtt' ? route.eventMs(row.timeMs) : row.timeMs;
      const reading = { device_id: deviceId, event_time, sequence: rows, metrics: { value: row.value } };
      const outgoing = { id: `${deviceId}:${event_time}:${rows}`, json: JSON.stringify(reading) };
      ledger.sent('telemetry', outgoing.id);
      if (route.kind === 'batch') {
        lines.add(deviceId, outgoing);
        if (lines.full) await lines.room();
      } else {
        route.fleet.publish(deviceId, outgoing.json, () => ledger.acknowledged('telemetry', outgoing.id));
        if (route.fleet.full) await route.fleet.room();
      }
    }
    options.onProgress(rows);
    if (rows >= options.limit || signal.aborted) break;
  }
  if (route.kind === 'batch') await lines.idle();
  return { rows, unusable, labels: 0, startedMs };
}
