import { inflateSync, unzipSync } from 'node:zlib';
import { encodePayload } from 'sparkplug-payload/lib/sparkplugbpayload.js';
import generated from 'sparkplug-payload/lib/sparkplugPayloadProto.js';

/**
 * The bytes of Sparkplug B, by Eclipse Tahu's codec. Encoding is its own; for decoding only its protobuf reader is used,
 * because its `decodePayload` takes a metric's type from the metric itself, and gives null without one. From Sparkplug
 * 3.0 on data messages leave the type out (tck-id-payloads-metric-datatype-not-req): it is in the birth.
 */

export interface SparkplugPayload {
  /** Epoch ms, as sent. */
  readonly timestampMs: number | undefined;
  /** 0 to 255; a death certificate has none. */
  readonly sequence: number | undefined;
  readonly metrics: readonly SparkplugMetric[];
}

export interface SparkplugMetric {
  readonly name: string | undefined;
  readonly alias: number | string | undefined;
  readonly timestampMs: number | undefined;
  /** Sparkplug's number of the type; `undefined` when the message leaves it to the birth. */
  readonly datatype: number | undefined;
  readonly isHistorical: boolean;
  readonly value: SparkplugValue;
}

/** A value as protobuf has it; what it means depends on the datatype. */
export type SparkplugValue =
  | { readonly kind: 'null' }
  | { readonly kind: 'int'; readonly value: number }
  /** Unsigned, 64 bits. */
  | { readonly kind: 'long'; readonly value: bigint }
  | { readonly kind: 'float' | 'double'; readonly value: number }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'string'; readonly value: string }
  /** Bytes, data sets, templates and extensions. */
  | { readonly kind: 'composite' };

/** What a compressed payload may become; a payload itself is bounded by the packet. */
export const INFLATED_BYTES_MAX = 1024 * 1024;
/** Also a limit on the readings of one message. */
export const METRICS_MAX = 10_000;

const { Payload } = generated.org.eclipse.tahu.protobuf;
type RawPayload = InstanceType<typeof Payload>;
type RawMetric = ReturnType<typeof Payload.decode>['metrics'][number];

/** The `uuid` of an envelope whose body is a compressed payload. */
const COMPRESSED = 'SPBV1.0_COMPRESSED';

/** Throws an `Error` that says what is wrong, for bytes that are no Sparkplug B payload. */
export function decodeSparkplug(bytes: Uint8Array): SparkplugPayload {
  const outer = Payload.decode(bytes);
  if (outer.uuid !== COMPRESSED) return payloadOf(outer);
  const inner = payloadOf(Payload.decode(inflate(outer)));
  // Which of the two has time and sequence differs between senders.
  const { timestampMs = toNumber(outer, 'timestamp'), sequence = toNumber(outer, 'seq'), metrics } = inner;
  return { timestampMs, sequence, metrics };
}

/** The command that asks a node for its births (tck-id-payloads-ncmd, `Node Control/Rebirth`). */
export function encodeRebirth(timestampMs: number): Buffer {
  const metric = { name: 'Node Control/Rebirth', type: 'Boolean', value: true } as const;
  return Buffer.from(encodePayload({ timestamp: timestampMs, metrics: [metric] }));
}

function inflate(envelope: RawPayload): Buffer {
  const algorithm = envelope.metrics?.find(({ name }) => name === 'algorithm')?.stringValue ?? 'DEFLATE';
  const limit = { maxOutputLength: INFLATED_BYTES_MAX };
  const body = envelope.body ?? new Uint8Array();
  if (algorithm === 'GZIP') return unzipSync(body, limit);
  if (algorithm === 'DEFLATE') return inflateSync(body, limit);
  throw new Error('the compression is neither DEFLATE nor GZIP');
}

function payloadOf(raw: RawPayload): SparkplugPayload {
  const metrics = raw.metrics ?? [];
  if (metrics.length > METRICS_MAX) {
    throw new Error(`it has ${metrics.length} metrics, at most ${METRICS_MAX} are taken in one message`);
  }
  return { timestampMs: toNumber(raw, 'timestamp'), sequence: toNumber(raw, 'seq'), metrics: metrics.map(metricOf) };
}

function metricOf(raw: RawMetric): SparkplugMetric {
  return {
    name: Object.hasOwn(raw, 'name') ? (raw.name ?? undefined) : undefined,
    alias: Object.hasOwn(raw, 'alias') ? aliasOf(raw.alias) : undefined,
    timestampMs: toNumber(raw, 'timestamp'),
    datatype: Object.hasOwn(raw, 'datatype') ? (raw.datatype ?? undefined) : undefined,
    isHistorical: raw.isHistorical === true,
    value: readValue(raw),
  };
}

function readValue(raw: RawMetric): SparkplugValue {
  if (raw.isNull === true) return { kind: 'null' };
  if (Object.hasOwn(raw, 'intValue')) return { kind: 'int', value: raw.intValue ?? 0 };
  if (Object.hasOwn(raw, 'longValue')) return { kind: 'long', value: toBigInt(raw.longValue) };
  if (Object.hasOwn(raw, 'floatValue')) return { kind: 'float', value: raw.floatValue ?? 0 };
  if (Object.hasOwn(raw, 'doubleValue')) return { kind: 'double', value: raw.doubleValue ?? 0 };
  if (Object.hasOwn(raw, 'booleanValue')) return { kind: 'boolean', value: raw.booleanValue === true };
  if (Object.hasOwn(raw, 'stringValue')) return { kind: 'string', value: raw.stringValue ?? '' };
  const isComposite = COMPOSITES.some((field) => Object.hasOwn(raw, field));
  return { kind: isComposite ? 'composite' : 'null' };
}

const COMPOSITES = ['bytesValue', 'datasetValue', 'templateValue', 'extensionValue'];

/** protobufjs gives 64-bit integers in two halves, as a `Long`. */
type Integer = number | { readonly high: number; readonly low: number } | null | undefined;

function toBigInt(value: Integer): bigint {
  if (typeof value === 'number') return BigInt(value);
  if (value === null || value === undefined) return 0n;
  return (BigInt(value.high >>> 0) << 32n) | BigInt(value.low >>> 0);
}

/** `undefined` when it was not sent, or cannot be a time or a sequence. */
function toNumber<K extends string>(raw: { readonly [key in K]?: Integer }, field: K): number | undefined {
  if (!Object.hasOwn(raw, field)) return undefined;
  const value = Number(toBigInt(raw[field]));
  return Number.isSafeInteger(value) ? value : undefined;
}

function aliasOf(value: Integer): number | string {
  const alias = toBigInt(value);
  return alias <= Number.MAX_SAFE_INTEGER ? Number(alias) : String(alias);
}
