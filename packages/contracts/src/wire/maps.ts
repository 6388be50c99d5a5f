import { cardNumberIn } from '../card-number.ts';
import { NAMES_REMEMBERED_MAX } from '../compile.ts';
import { shown, shownName, typeName } from '../echo.ts';
import { ATTRIBUTE_NAME_PATTERN, NAME_PATTERN, type Scalar } from '../fields.ts';
import * as limits from '../limits.ts';
import type { MetricValue } from '../telemetry.ts';
import { type FieldReader, isObject, type Reading, refuse } from './reading.ts';
import { cardId, NOT_WELL_FORMED } from './values.ts';

/** The fields of an event that its schema knows. */
export interface KnownFields {
  readonly names: ReadonlySet<string>;
  /** Names of the internal form: on the wire they would be misread, so they are refused with the right name. */
  readonly internal?: Readonly<Record<string, string>>;
}

const attributeName = new RegExp(ATTRIBUTE_NAME_PATTERN, 'u');
const metricName = new RegExp(NAME_PATTERN, 'u');
const RESERVED_NAMES: readonly string[] = ['__proto__', 'constructor', 'prototype'];

/** What one kind of map may hold. `into` is its name in the event. */
interface MapRule {
  readonly into: 'attributes' | 'fields';
  readonly countMax: number;
  readonly bytesMax: number;
  readonly nullAllowed: boolean;
}

const ATTRIBUTES: MapRule = {
  into: 'attributes',
  countMax: limits.ATTRIBUTES_MAX,
  bytesMax: limits.ATTRIBUTES_BYTES_MAX,
  nullAllowed: false,
};
/** What a source knows of a customer; null takes a field back. */
const SOURCE_FIELDS: MapRule = {
  into: 'fields',
  countMax: limits.SOURCE_FIELDS_MAX,
  bytesMax: limits.SOURCE_FIELDS_BYTES_MAX,
  nullAllowed: true,
};

/** The object `attributes`, and all fields that the schema does not know: undefined when there are none. */
export function attributes(reading: Reading, known: KnownFields): Record<string, Scalar> | undefined {
  return collect(reading, known, ATTRIBUTES) as Record<string, Scalar> | undefined;
}

/** The same for the object `fields` of a customer source. */
export function sourceFields(reading: Reading, known: KnownFields): Record<string, Scalar | null> {
  return collect(reading, known, SOURCE_FIELDS) ?? {};
}

/** Metrics of a reading: name to number or boolean. */
export const metrics: FieldReader<Record<string, MetricValue>> = (reading, field, value) => {
  if (!isObject(value)) {
    const message = `must be an object such as {"temperature": 21.5}, not ${typeName(value)}`;
    return refuse(reading, field, 'wrong-type', message);
  }
  const result: Record<string, MetricValue> = {};
  const names = Object.keys(value);
  if (names.length === 0 || names.length > limits.METRICS_MAX) {
    const message = `must have 1 to ${limits.METRICS_MAX} metrics, not ${names.length}; split the reading`;
    return refuse(reading, field, names.length === 0 ? 'out-of-range' : 'too-many', message);
  }
  for (const name of names) {
    const metric = value[name];
    const isRight = typeof metric === 'boolean' || (typeof metric === 'number' && Number.isFinite(metric));
    if (isRight && isMetricName(name)) result[name] = metric;
    else refuseMetric(reading, `${field}.${shownName(name)}`, name, metric);
  }
  return result;
};

function refuseMetric(reading: Reading, path: string, name: string, metric: unknown): void {
  if (!isMetricName(name)) refuseName(reading, path, name, 'A-Z a-z 0-9 . _ : / -');
  else refuse(reading, path, 'wrong-type', `must be a number or true or false; got ${shown(metric)}`);
}

/** Names that passed, because the same few are in every reading. */
const passedNames = new Set<string>();

function isMetricName(name: string): boolean {
  if (passedNames.has(name)) return true;
  if (!metricName.test(name)) return false;
  if (passedNames.size < NAMES_REMEMBERED_MAX) passedNames.add(name);
  return true;
}

type Kept = Record<string, Scalar | null>;

function collect(reading: Reading, known: KnownFields, rule: MapRule): Kept | undefined {
  const { input } = reading;
  let unknownNames: string[] | undefined;
  for (const name of Object.keys(input)) {
    if (known.names.has(name)) continue;
    unknownNames ??= [];
    unknownNames.push(name);
  }
  const explicit = input[rule.into];
  if (unknownNames === undefined && explicit === undefined) return undefined;

  const kept: Kept = {};
  const explicitNames = isObject(explicit) ? Object.keys(explicit) : [];
  const count = explicitNames.length + (unknownNames?.length ?? 0);
  if (count > rule.countMax) {
    const message = `has ${count} names with all unknown fields, at most ${rule.countMax} are kept; leave some out`;
    return refuse(reading, rule.into, 'too-many', message);
  }
  for (const name of unknownNames ?? []) keep(reading, known, rule, kept, name, shownName(name), input[name]);
  if (isObject(explicit)) {
    for (const name of explicitNames) {
      keep(reading, known, rule, kept, name, `${rule.into}.${shownName(name)}`, explicit[name]);
    }
  } else if (explicit !== undefined) {
    refuse(reading, rule.into, 'wrong-type', `must be an object of names and values, not ${typeName(explicit)}`);
  }
  checkBytes(reading, rule, kept);
  return count === 0 ? undefined : kept;
}

function keep(
  reading: Reading,
  known: KnownFields,
  rule: MapRule,
  kept: Kept,
  name: string,
  path: string,
  value: unknown,
): void {
  if (!isNameFree(reading, known, rule.into, name, path, kept)) return;
  const accepted = name === 'card_id' ? cardId(reading, path, value) : scalar(reading, path, value, rule.nullAllowed);
  if (accepted !== undefined) kept[name] = accepted;
}

function checkBytes(reading: Reading, rule: MapRule, kept: Kept): void {
  // A character takes six bytes as JSON at most (\u001f), and punctuation, numbers and literals fit in the 32.
  let bytesMost = 2;
  for (const name of Object.keys(kept)) {
    const value = kept[name];
    bytesMost += 32 + 6 * (name.length + (typeof value === 'string' ? value.length : 0));
  }
  if (bytesMost <= rule.bytesMax) return;
  const bytes = utf8Bytes(JSON.stringify(kept));
  if (bytes <= rule.bytesMax) return;
  const message = `takes ${bytes} bytes as JSON, at most ${rule.bytesMax} are kept; leave some out`;
  refuse(reading, rule.into, 'too-many', message);
}

function isNameFree(
  reading: Reading,
  known: KnownFields,
  into: string,
  name: string,
  path: string,
  kept: Kept,
): boolean {
  const wireName =
    known.internal !== undefined && Object.hasOwn(known.internal, name) ? known.internal[name] : undefined;
  if (!attributeName.test(name)) {
    refuseName(reading, path, name, 'characters, none of them a control character');
  } else if (cardNumberIn(name) !== undefined) {
    refuse(reading, path, 'forbidden-name', 'is a card number; send it as card_id, where it is replaced by a token');
  } else if (wireName !== undefined) {
    refuse(reading, path, 'conflict', `is a name of the internal form; send ${wireName}`);
  } else if (known.names.has(name)) {
    refuse(reading, path, 'conflict', `is a field of the ${reading.event} itself; move it out of ${into}`);
  } else if (Object.hasOwn(kept, name)) {
    refuse(reading, path, 'conflict', `is given twice, as a field and in ${into}; send it once`);
  } else return true;
  return false;
}

/** A value to keep; undefined when it was refused. */
function scalar(reading: Reading, path: string, value: unknown, nullAllowed: boolean): Scalar | null | undefined {
  if (typeof value === 'string')
    return value.isWellFormed() ? value : refuse(reading, path, 'malformed', NOT_WELL_FORMED);
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
  if (value === null && nullAllowed) return null;
  const message = `is not a field of a ${reading.event}, and can only be kept as a text, a number, true or false`;
  return refuse(reading, path, 'wrong-type', `${message}; it is ${typeName(value)}`);
}

function refuseName(reading: Reading, path: string, name: string, alphabet: string): void {
  if (RESERVED_NAMES.includes(name)) refuse(reading, path, 'forbidden-name', 'is a reserved name; rename the field');
  else refuse(reading, path, 'forbidden-name', `a name must be 1 to ${limits.NAME_LENGTH_MAX} ${alphabet}; rename it`);
}

/** Bytes of a well-formed text in UTF-8, without writing them. */
function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    // A surrogate pair is two code units and four bytes, so each half counts one more; a unit above U+07FF two more.
    if (code > 0x7f) bytes += code > 0x7ff && (code < 0xd800 || code > 0xdfff) ? 2 : 1;
  }
  return bytes;
}
