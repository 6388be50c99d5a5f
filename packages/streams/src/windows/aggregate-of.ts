import { StreamsError } from '../errors.ts';
import type { Aggregation, NumericAggregation, ObjectAggregation } from './aggregations.ts';

// biome-ignore lint/suspicious/noExplicitAny: an aggregation of any events; `ValueOf` finds out which
type AnyAggregation = Aggregation<any, unknown>;
type Parts = Readonly<Record<string, AnyAggregation>>;

/** The events that all parts can take. */
type ValueOf<P extends Parts> = {
  [K in keyof P]: P[K] extends Aggregation<infer V, unknown> ? (value: V) => void : never;
}[keyof P] extends (value: infer V) => void
  ? V
  : never;
type ResultOf<P extends Parts> = {
  readonly [K in keyof P]: P[K] extends { readonly result: (...cell: never[]) => infer R } ? R : never;
};

/** Several aggregations of the same events; the result has one field for each. Numeric when all of them are. */
export function aggregateOf<const P extends Parts>(parts: P): Aggregation<ValueOf<P>, ResultOf<P>> {
  const names = Object.keys(parts);
  if (names.length === 0) throw new StreamsError('invalid-topology', 'aggregateOf needs at least one aggregation');
  const numeric = names.filter((name) => parts[name]?.kind === 'numeric');
  const numbers = sideBySide(numeric.map((name) => [name, parts[name] as NumericAggregation<ValueOf<P>, unknown>]));
  if (numeric.length === names.length) return numbers as NumericAggregation<ValueOf<P>, ResultOf<P>>;
  const objects = names.filter((name) => parts[name]?.kind === 'object');
  return withObjects(
    numbers,
    objects.map((name) => [name, parts[name] as ObjectAggregation<ValueOf<P>, unknown>]),
  ) as ObjectAggregation<ValueOf<P>, ResultOf<P>>;
}

type Results = Record<string, unknown>;

const nameOf = (name: string, part: { readonly name: string }): string => `${name}: ${part.name}`;

/** One accumulator beside the other. */
function sideBySide<V>(
  parts: readonly (readonly [string, NumericAggregation<V, unknown>])[],
): NumericAggregation<V, Results> {
  let width = 0;
  const placed = parts.map(([name, part]) => {
    const offset = width;
    width += part.width;
    return { name, offset, part };
  });
  return {
    kind: 'numeric',
    name: parts.map(([name, part]) => nameOf(name, part)).join(', '),
    width,
    init: (table, at) => {
      for (const { part, offset } of placed) part.init(table, at + offset);
    },
    add: (table, at, value) => {
      for (const { part, offset } of placed) part.add(table, at + offset, value);
    },
    merge: (table, at, from) => {
      for (const { part, offset } of placed) part.merge(table, at + offset, from + offset);
    },
    result: (table, at) => {
      const results: Results = {};
      for (const { name, part, offset } of placed) results[name] = part.result(table, at + offset);
      return results;
    },
  };
}

interface Mixed {
  /** Twice the width of the numbers: the second half is room for those of another, to be merged. */
  readonly table: Float64Array;
  readonly objects: unknown[];
}

const DOUBLE_BYTES = 8;
const LENGTH_BYTES = 4;

function withObjects<V>(
  numbers: NumericAggregation<V, Results>,
  parts: readonly (readonly [string, ObjectAggregation<V, unknown>])[],
): ObjectAggregation<V, Results> {
  const { width } = numbers;
  const aggregations = parts.map(([, part]) => part);
  return {
    kind: 'object',
    name: [...(width > 0 ? [numbers.name] : []), ...parts.map(([name, part]) => nameOf(name, part))].join(', '),
    create: () => {
      const table = new Float64Array(2 * width);
      numbers.init(table, 0);
      return { table, objects: aggregations.map((part) => part.create()) };
    },
    add: (accumulator, value) => {
      const { table, objects } = accumulator as Mixed;
      numbers.add(table, 0, value);
      aggregations.forEach((part, i) => {
        objects[i] = part.add(objects[i], value);
      });
      return accumulator;
    },
    merge: (accumulator, other) => {
      const { table, objects } = accumulator as Mixed;
      table.set((other as Mixed).table.subarray(0, width), width);
      numbers.merge(table, 0, width);
      aggregations.forEach((part, i) => {
        objects[i] = part.merge(objects[i], (other as Mixed).objects[i]);
      });
      return accumulator;
    },
    result: (accumulator) => {
      const { table, objects } = accumulator as Mixed;
      const results = numbers.result(table, 0);
      parts.forEach(([name, part], i) => {
        results[name] = part.result(objects[i]);
      });
      return results;
    },
    encode: (accumulator) => {
      const { table, objects } = accumulator as Mixed;
      return encodeMixed(
        table.subarray(0, width),
        aggregations.map((part, i) => part.encode(objects[i])),
      );
    },
    decode: (bytes) => {
      const { doubles, encoded } = decodeMixed(bytes, width, aggregations.length);
      const table = new Float64Array(2 * width);
      table.set(doubles);
      return { table, objects: aggregations.map((part, i) => part.decode(encoded[i] as Buffer)) };
    },
  };
}

/** Little-endian: the doubles, then every object with its length (32 bits) before it. */
function encodeMixed(doubles: Float64Array, objects: readonly (Uint8Array | string)[]): Uint8Array {
  const encoded = objects.map((object) => (typeof object === 'string' ? new TextEncoder().encode(object) : object));
  const bytes = new Uint8Array(
    encoded.reduce((total, object) => total + LENGTH_BYTES + object.length, doubles.length * DOUBLE_BYTES),
  );
  const view = new DataView(bytes.buffer);
  doubles.forEach((double, i) => {
    view.setFloat64(i * DOUBLE_BYTES, double, true);
  });
  let at = doubles.length * DOUBLE_BYTES;
  for (const object of encoded) {
    view.setUint32(at, object.length, true);
    bytes.set(object, at + LENGTH_BYTES);
    at += LENGTH_BYTES + object.length;
  }
  return bytes;
}

function decodeMixed(bytes: Buffer, width: number, count: number): { doubles: number[]; encoded: Buffer[] } {
  const doubles = Array.from({ length: width }, (_, i) => bytes.readDoubleLE(i * DOUBLE_BYTES));
  const encoded: Buffer[] = [];
  let at = width * DOUBLE_BYTES;
  for (let i = 0; i < count; i++) {
    const from = at + LENGTH_BYTES;
    at = from + bytes.readUInt32LE(at);
    if (at > bytes.length) throw new RangeError(`an accumulator of ${bytes.length} bytes ends at ${at}`);
    encoded.push(bytes.subarray(from, at));
  }
  if (at !== bytes.length) throw new RangeError(`an accumulator of ${at} bytes has ${bytes.length}`);
  return { doubles, encoded };
}
