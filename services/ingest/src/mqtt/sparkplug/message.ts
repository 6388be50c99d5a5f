import { hash } from 'node:crypto';
import {
  ATTRIBUTES_BYTES_MAX,
  ATTRIBUTES_MAX,
  METRICS_MAX,
  type MetricValue,
  parseTelemetry,
  passesLuhn,
  type Telemetry,
  type WireOptions,
} from '@millrace/contracts';
import { checkEvent, sentenceOf } from '../../intake.ts';
import { type DeviceMessage, type RefusalReason, STATUS_SEQUENCE } from '../device-message.ts';
import type { SparkplugCounters } from './counters.ts';
import { type EdgeNodes, isControlMetric } from './edge-nodes.ts';
import { metricName } from './names.ts';
import { decodeSparkplug, type SparkplugMetric, type SparkplugPayload } from './payload.ts';
import type { SparkplugAddress } from './topic.ts';
import { type ReadingValue, readingValue } from './values.ts';

export interface SparkplugReaderOptions {
  readonly nodes: EdgeNodes;
  readonly counters: SparkplugCounters;
}

export type SparkplugReader = (
  address: SparkplugAddress,
  payload: Uint8Array,
  options: WireOptions & { readonly redelivered: boolean },
) => DeviceMessage;

/**
 * Readings from the messages of edge nodes. To be called once per message, in the order of their arrival.
 *
 * A birth is `online: true`, a death `online: false`, of a node for all its devices too. Numbers and booleans become
 * metrics, texts attributes, at the time of each metric; those of one time share readings. The sequence of a reading is
 * made of what is in it, so a message that comes again gives the same readings again, and other values of the same time
 * are another reading. What cannot be taken of a message refuses it as a whole, and the rest of it is taken.
 */
export function createSparkplugReader({ nodes, counters }: SparkplugReaderOptions): SparkplugReader {
  function readMetrics(
    address: SparkplugAddress,
    payload: SparkplugPayload,
    options: WireOptions,
  ): { drafts: Drafts; unknown: number; skipped: number } {
    const drafts = new Drafts();
    const isBirth = address.type === 'NBIRTH' || address.type === 'DBIRTH';
    let unknown = 0;
    let skipped = 0;
    for (const metric of payload.metrics) {
      const definition = nodes.definitionOf(address, metric);
      if (definition?.isControl ?? isControlMetric(metric.name ?? '')) continue;
      const name = definition?.name ?? (metric.name ? metricName(metric.name) : undefined);
      const value = readingValue(metric.value, metric.datatype ?? definition?.datatype);
      if ((name === undefined && metric.alias !== undefined) || value === undefined) {
        unknown += 1;
        continue;
      }
      const timeMs = metric.timestampMs || payload.timestampMs || options.nowMs;
      const fate = fateOf(name, value, isBirth && options.nowMs - timeMs > options.maxAgeMs);
      if (fate.kind === 'skipped') {
        counters.skipped(fate.reason);
        if (fate.reason !== 'null') skipped += 1;
      } else drafts.add(timeMs, metric, name ?? '', fate);
    }
    return { drafts, unknown, skipped };
  }

  return (address, bytes, options) => {
    const refused = (readings: readonly Telemetry[], reason: RefusalReason, message: string): DeviceMessage => ({
      readings,
      refusals: [{ reason, message, bytes: withoutCardNumber(bytes) }],
    });
    let payload: SparkplugPayload;
    try {
      payload = decodeSparkplug(bytes);
    } catch (error) {
      // The decoder meets bytes from anywhere, and has no error class of its own.
      const why = error instanceof Error ? error.message : String(error);
      return refused([], 'malformed-sparkplug', `The payload cannot be read as Sparkplug B: ${why}. Send spBv1.0.`);
    }
    const { type, sourceId } = address;
    const status = (deviceId: string, online: boolean, timeMs: number) => {
      const sequence = online ? STATUS_SEQUENCE.online : STATUS_SEQUENCE.offline;
      return { device_id: deviceId, event_time: timeMs, sequence, metrics: { online } };
    };
    if (type === 'NDEATH') {
      const offline = nodes.nodeDied(address, payload.metrics);
      if (offline === undefined) counters.skipped('stale-death');
      // Its payload is a will, made when the node connected, so the time in it is not that of the death.
      return check(
        (offline ?? []).map((id) => status(id, false, options.nowMs)),
        options,
        bytes,
      );
    }
    if (type === 'NBIRTH') nodes.nodeBorn(address, payload.metrics);
    if (type === 'DBIRTH') nodes.deviceBorn(address, payload.metrics);
    nodes.follow(address, payload.sequence, options.redelivered, options.nowMs);
    const timeMs = payload.timestampMs || options.nowMs;
    if (type === 'DDEATH') return check([status(sourceId, false, timeMs)], options, bytes);

    const { drafts, unknown, skipped } = readMetrics(address, payload, options);
    const born = type === 'NBIRTH' || type === 'DBIRTH' ? [status(sourceId, true, timeMs)] : [];
    const result = check([...born, ...drafts.readings(sourceId)], options, bytes);
    if (unknown > 0) {
      nodes.askForBirth(address, options.nowMs);
      const message =
        `The birth of ${sourceId} has not been seen, so ${unknown} of ${payload.metrics.length} metrics cannot be read ` +
        'without their names and types. The node is asked for its births where it can be; redrive this after them.';
      return refused(result.readings, 'unknown-alias', message);
    }
    if (skipped > 0 && result.readings.length + result.refusals.length === 0) {
      const message = `All ${skipped} values are of types that a reading does not hold. Send numbers, booleans or texts.`;
      return refused([], 'no-reading', message);
    }
    return result;
  };
}

/** As JSON, of a reading's attributes; the names have their share. */
const TEXT_BYTES_MAX = ATTRIBUTES_BYTES_MAX - 128;

function fateOf(name: string | undefined, value: ReadingValue, isTooOld: boolean): ReadingValue {
  if (value.kind === 'skipped') return value;
  if (name === undefined) return { kind: 'skipped', reason: 'unnamed' };
  if (isTooOld) return { kind: 'skipped', reason: 'too-old' };
  if (value.kind === 'text' && jsonBytes(value.value) > TEXT_BYTES_MAX) return { kind: 'skipped', reason: 'too-long' };
  return value;
}

function check(inputs: readonly object[], options: WireOptions, bytes: Uint8Array): DeviceMessage {
  const results = inputs.map((input) => checkEvent({ parse: parseTelemetry }, input, options));
  const readings = results.flatMap((result) => (result.ok ? [result.event] : []));
  const [first] = results.flatMap((result) => (result.ok ? [] : [sentenceOf(result.problems)]));
  if (first === undefined) return { readings, refusals: [] };
  const message = `${results.length - readings.length} of ${results.length} readings are wrong: ${first}`;
  return { readings, refusals: [{ reason: 'invalid-event', message, bytes: withoutCardNumber(bytes) }] };
}

/** A metric named card_id, and behind it its string_value (field 15 is `z`, then a length) of 13 to 19 digits. */
const CARD_ID = /(card_id.{0,64}?z.)([0-9](?:[ -]?[0-9]){12,18})(?![0-9])/gs;

/** The same bytes where there is none; its digits are covered and not replaced by a token, which would change lengths. */
function withoutCardNumber(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  if (!text.includes('card_id')) return bytes;
  const covered = text.replace(CARD_ID, (whole, before: string, written: string) =>
    passesLuhn(written.replace(/[ -]/g, '')) ? before + written.replace(/[0-9]/g, 'x') : whole,
  );
  return Buffer.from(covered, 'latin1');
}

interface Draft {
  readonly timeMs: number;
  readonly isHistorical: boolean;
  readonly metrics: Record<string, MetricValue>;
  readonly attributes: Record<string, string | boolean>;
  metricCount: number;
  attributeCount: number;
  attributeBytes: number;
}

/** Readings in the making: the metrics of one time share one, until it is full or would hold a metric twice. */
class Drafts {
  readonly #all: Draft[] = [];
  readonly #open = new Map<string, Draft>();

  add(
    timeMs: number,
    { isHistorical }: SparkplugMetric,
    name: string,
    value: Exclude<ReadingValue, { kind: 'skipped' }>,
  ): void {
    const key = `${timeMs} ${isHistorical}`;
    const bytes = value.kind === 'text' ? jsonBytes(value.value) + name.length + 4 : 0;
    let draft = this.#open.get(key);
    if (draft === undefined || !hasRoom(draft, name, value.kind, bytes)) {
      draft = startDraft(timeMs, isHistorical);
      this.#all.push(draft);
      this.#open.set(key, draft);
    }
    if (value.kind === 'metric') {
      draft.metrics[name] = value.value;
      draft.metricCount += 1;
    } else {
      draft.attributes[name] = value.value;
      draft.attributeCount += 1;
      draft.attributeBytes += bytes;
    }
  }

  readings(deviceId: string): object[] {
    return this.#all.map(({ timeMs, metrics, metricCount, attributes, attributeCount }) => {
      // A reading has a metric at least, and who sends texts is online.
      const content = {
        metrics: metricCount === 0 ? { online: true } : metrics,
        ...(attributeCount > 0 && { attributes }),
      };
      return { device_id: deviceId, event_time: timeMs, sequence: sequenceOf(content), ...content };
    });
  }
}

function startDraft(timeMs: number, isHistorical: boolean): Draft {
  const attributes: Draft['attributes'] = isHistorical ? { historical: true } : {};
  const attributeCount = isHistorical ? 1 : 0;
  return { timeMs, isHistorical, metrics: {}, attributes, metricCount: 0, attributeCount, attributeBytes: 32 };
}

function hasRoom(draft: Draft, name: string, kind: 'metric' | 'text', bytes: number): boolean {
  if (kind === 'metric') return draft.metricCount < METRICS_MAX && !Object.hasOwn(draft.metrics, name);
  const fits = draft.attributeCount < ATTRIBUTES_MAX && draft.attributeBytes + bytes <= ATTRIBUTES_BYTES_MAX;
  return fits && !Object.hasOwn(draft.attributes, name);
}

/** 48 bits of SHA-1: two different readings of one device and millisecond share them once in 10^14. */
function sequenceOf(content: object): number {
  return Number.parseInt(hash('sha1', JSON.stringify(content)).slice(0, 12), 16);
}

function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text));
}
