import type { SparkplugValue } from './payload.ts';

/** What a Sparkplug value becomes in a reading. */
export type ReadingValue =
  | { readonly kind: 'metric'; readonly value: number | boolean }
  /** An attribute. */
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'skipped'; readonly reason: SkipReason };

export const SKIP_REASONS = [
  'null', // the sender says that it has no value
  'type', // data sets, templates, bytes, files, arrays and property sets have no place in a reading
  'unsafe-integer', // 64 bits, beyond what a JSON number carries exactly
  'not-finite', // NaN and infinity, which JSON does not have
  'too-long', // a text that does not fit into a reading's attributes
  'too-old', // in a birth: the value has not changed for longer than events may be old
  'unnamed', // neither name nor alias
  'stale-death', // a whole message: the will of an earlier connection of the node
] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** Sparkplug 3.0, 6.4.16 */
const DATATYPE = {
  int8: 1,
  int16: 2,
  int32: 3,
  int64: 4,
  uint8: 5,
  uint16: 6,
  uint32: 7,
  uint64: 8,
  dateTime: 13,
} as const;
/** What may be sent as an integer of 32 or of 64 bits; senders differ in which they take for UInt32. */
const INTEGERS: readonly number[] = Object.values(DATATYPE);

/**
 * The value by its type. Integers are unsigned on the wire, so what they are depends on it; other values say themselves
 * what they are. `undefined` when the type would be needed and is not known.
 */
export function readingValue(value: SparkplugValue, datatype: number | undefined): ReadingValue | undefined {
  switch (value.kind) {
    case 'null':
      return skipped('null');
    case 'composite':
      return skipped('type');
    case 'boolean':
      return { kind: 'metric', value: value.value };
    case 'string':
      return value.value.isWellFormed() ? { kind: 'text', value: value.value } : skipped('type');
    case 'float':
      return finite(decimalOf(value.value));
    case 'double':
      return finite(value.value);
    case 'int':
    case 'long':
      if (datatype === undefined) return undefined;
      return INTEGERS.includes(datatype) ? integer(BigInt(value.value), datatype) : skipped('type');
  }
}

function integer(bits: bigint, datatype: number): ReadingValue {
  const value = Number(signed(bits, datatype));
  return Number.isSafeInteger(value) ? { kind: 'metric', value } : skipped('unsafe-integer');
}

/** Two's complement in the bits of the type; a small type may have been extended to 32 bits, or not. */
function signed(bits: bigint, datatype: number): bigint {
  if (datatype === DATATYPE.int8) return BigInt.asIntN(8, bits);
  if (datatype === DATATYPE.int16) return BigInt.asIntN(16, bits);
  if (datatype === DATATYPE.int32) return BigInt.asIntN(32, bits);
  return datatype === DATATYPE.int64 ? BigInt.asIntN(64, bits) : bits;
}

/** A float of 32 bits as the shortest decimal that gives it again: 21.1, not 21.100000381469727. */
function decimalOf(float: number): number {
  for (const digits of [6, 7, 8, 9]) {
    const short = Number(float.toPrecision(digits));
    if (Math.fround(short) === float) return short;
  }
  return float;
}

function finite(value: number): ReadingValue {
  // JSON has one zero.
  return Number.isFinite(value) ? { kind: 'metric', value: value === 0 ? 0 : value } : skipped('not-finite');
}

function skipped(reason: SkipReason): ReadingValue {
  return { kind: 'skipped', reason };
}
