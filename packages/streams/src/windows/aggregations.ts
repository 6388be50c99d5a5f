import { HyperLogLog } from '../sketches/hyper-log-log.ts';
import { hash } from '../stores/window-view.ts';

/**
 * What is made of the events of a window. An accumulator takes one event after the other (`add`), and two of them can
 * become one (`merge`), in any order: windows are put together from panes, sessions from sessions.
 */
export type Aggregation<V, R> = NumericAggregation<V, R> | ObjectAggregation<V, R>;

/**
 * Accumulators of `width` doubles, side by side in one table: a million of them cost the garbage collector nothing.
 * `at` is where in the table an accumulator begins.
 */
export interface NumericAggregation<V, R> {
  readonly kind: 'numeric';
  /** For `describe()`. */
  readonly name: string;
  readonly width: number;
  init(table: Float64Array, at: number): void;
  add(table: Float64Array, at: number, value: V): void;
  /** Adds to the accumulator `at` the one that begins at `from`, in the same table. */
  merge(table: Float64Array, at: number, from: number): void;
  result(table: Float64Array, at: number): R;
}

/** Accumulators that are objects: for whatever does not fit into a fixed number of doubles. */
export interface ObjectAggregation<V, R> {
  readonly kind: 'object';
  readonly name: string;
  create(): unknown;
  /** Returns the accumulator with the value; it may be the same one, changed. */
  add(accumulator: unknown, value: V): unknown;
  /** Returns both in one. It may change the first, and neither changes nor keeps a part of the second. */
  merge(accumulator: unknown, other: unknown): unknown;
  result(accumulator: unknown): R;
  encode(accumulator: unknown): Uint8Array | string;
  decode(bytes: Buffer): unknown;
}

const cell = (table: Float64Array, at: number): number => table[at] as number;

/** Number of events. */
export function count(): NumericAggregation<unknown, number> {
  return {
    kind: 'numeric',
    name: 'count',
    width: 1,
    init: (table, at) => {
      table[at] = 0;
    },
    add: (table, at) => {
      table[at] = cell(table, at) + 1;
    },
    merge: addFrom,
    result: cell,
  };
}

/**
 * Sum of a number of each event. Exact while all values are integers and no partial sum reaches 2^53; otherwise the
 * error is at most n * 2^-53 times the sum of the absolute values, and may depend on the order in which events came.
 */
export function sum<V>(of: (value: V) => number): NumericAggregation<V, number> {
  return {
    kind: 'numeric',
    name: 'sum',
    width: 1,
    init: (table, at) => {
      table[at] = 0;
    },
    add: (table, at, value) => {
      table[at] = cell(table, at) + of(value);
    },
    merge: addFrom,
    result: cell,
  };
}

/** Arithmetic mean, the sum over the count; see `sum` for how exact that is. */
export function mean<V>(of: (value: V) => number): NumericAggregation<V, number> {
  return {
    kind: 'numeric',
    name: 'mean',
    width: 2,
    init: (table, at) => {
      table[at] = 0;
      table[at + 1] = 0;
    },
    add: (table, at, value) => {
      table[at] = cell(table, at) + 1;
      table[at + 1] = cell(table, at + 1) + of(value);
    },
    merge: (table, at, from) => {
      addFrom(table, at, from);
      addFrom(table, at + 1, from + 1);
    },
    result: (table, at) => cell(table, at + 1) / cell(table, at),
  };
}

/**
 * Sample standard deviation (n - 1); 0 with fewer than two events. By Welford's method, merged by that of Chan, Golub
 * and LeVeque (1979): count, mean and the sum of squared distances from it, which large values do not cancel out.
 */
export function deviation<V>(of: (value: V) => number): NumericAggregation<V, number> {
  return {
    kind: 'numeric',
    name: 'deviation',
    width: 3,
    init: (table, at) => {
      table[at] = 0;
      table[at + 1] = 0;
      table[at + 2] = 0;
    },
    add: (table, at, value) => {
      const number = of(value);
      const n = cell(table, at) + 1;
      const before = number - cell(table, at + 1);
      const meanNow = cell(table, at + 1) + before / n;
      table[at] = n;
      table[at + 1] = meanNow;
      table[at + 2] = cell(table, at + 2) + before * (number - meanNow);
    },
    merge: (table, at, from) => {
      const own = cell(table, at);
      const other = cell(table, from);
      const n = own + other;
      if (n === 0) return;
      const apart = cell(table, from + 1) - cell(table, at + 1);
      table[at] = n;
      table[at + 1] = cell(table, at + 1) + (apart * other) / n;
      table[at + 2] = cell(table, at + 2) + cell(table, from + 2) + (apart * apart * own * other) / n;
    },
    result: (table, at) => (cell(table, at) < 2 ? 0 : Math.sqrt(cell(table, at + 2) / (cell(table, at) - 1))),
  };
}

/** The smallest value. */
export function min<V>(of: (value: V) => number): NumericAggregation<V, number> {
  return extreme('min', Math.min, Number.POSITIVE_INFINITY, of);
}

/** The largest value. */
export function max<V>(of: (value: V) => number): NumericAggregation<V, number> {
  return extreme('max', Math.max, Number.NEGATIVE_INFINITY, of);
}

function extreme<V>(
  name: string,
  choose: (a: number, b: number) => number,
  start: number,
  of: (value: V) => number,
): NumericAggregation<V, number> {
  return {
    kind: 'numeric',
    name,
    width: 1,
    init: (table, at) => {
      table[at] = start;
    },
    add: (table, at, value) => {
      table[at] = choose(cell(table, at), of(value));
    },
    merge: (table, at, from) => {
      table[at] = choose(cell(table, at), cell(table, from));
    },
    result: cell,
  };
}

/**
 * Number of different values, numbers or texts. With the default `precision`, 11, it is exact up to 512 of them, and has
 * a standard error of 2.3 % beyond; see `HyperLogLog`, also for what it takes of memory: up to 2 KiB per accumulator.
 */
export function distinct<V>(of: (value: V) => number | string, precision?: number): ObjectAggregation<V, number> {
  return {
    kind: 'object',
    name: 'distinct',
    create: () => new HyperLogLog(precision),
    add: (sketch, value) => {
      const one = of(value);
      (sketch as HyperLogLog).add(typeof one === 'string' ? hash(one) : one);
      return sketch;
    },
    merge: (sketch, other) => {
      (sketch as HyperLogLog).merge(other as HyperLogLog);
      return sketch;
    },
    result: (sketch) => (sketch as HyperLogLog).count(),
    encode: (sketch) => (sketch as HyperLogLog).bytes,
    decode: HyperLogLog.from,
  };
}

export interface Reduction<V, A> {
  create(): A;
  /** Returns the accumulator with the value; it may be the same one, changed. */
  add(accumulator: A, value: V): A;
  /** Returns both in one. It may change the first, and neither changes nor keeps a part of the second. */
  merge(accumulator: A, other: A): A;
  /** For the changelog, once per changed accumulator and commit. */
  encode(accumulator: A): Uint8Array | string;
  decode(bytes: Buffer): A;
}

/**
 * An aggregation of any kind, with an object for an accumulator. Where it is the result, it is the accumulator itself:
 * to be read at once, not kept or changed.
 */
export function reduce<V, A>({ create, add, merge, encode, decode }: Reduction<V, A>): ObjectAggregation<V, A> {
  return {
    kind: 'object',
    name: 'reduce',
    create,
    add: (accumulator, value) => add(accumulator as A, value),
    merge: (accumulator, other) => merge(accumulator as A, other as A),
    result: (accumulator) => accumulator as A,
    encode: (accumulator) => encode(accumulator as A),
    decode,
  };
}

function addFrom(table: Float64Array, at: number, from: number): void {
  table[at] = cell(table, at) + cell(table, from);
}
