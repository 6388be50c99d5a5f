import { typeName } from '../echo.ts';
import { type Problem, type ProblemCode, WireError } from '../errors.ts';

/** What the edge knows and a pure parser cannot: the time, how old an event may be, and the key of the card tokens. */
export interface WireOptions {
  /** Wall clock, epoch ms. */
  readonly nowMs: number;
  /** `AGE_MAX_MS`, or Infinity through the batch route. */
  readonly maxAgeMs: number;
  /** Token of a card number (its HMAC). Gets the digits only; the result must be an id. */
  readonly tokenizeCard: (cardNumber: string) => string;
}

/** One event while it is read. Faults are collected, so that the sender learns all of them at once. */
export interface Reading {
  readonly event: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly options: WireOptions;
  readonly problems: Problem[];
}

/** An event of ten thousand faulty fields is answered with the first of them. */
export const PROBLEMS_MAX = 64;

/** @throws {WireError} when the input is no JSON object at all. */
export function startReading(event: string, input: unknown, options: WireOptions): Reading {
  if (!isObject(input)) {
    const message = `must be a JSON object with the fields of a ${event}; it is ${typeName(input)}`;
    throw new WireError(event, [{ field: '', code: 'wrong-type', message }]);
  }
  return { event, input, options, problems: [] };
}

/** @throws {WireError} when there were problems; only without any is the value what its type says. */
export function finishReading<T>(reading: Reading, value: T): T {
  if (reading.problems.length > 0) throw new WireError(reading.event, reading.problems);
  return value;
}

/** Notes a problem. Returns a value only to stand for the one that is missing: `finishReading` never lets it out. */
export function refuse(reading: Reading, field: string, code: ProblemCode, message: string): never {
  if (reading.problems.length < PROBLEMS_MAX) reading.problems.push({ field, code, message });
  return undefined as never;
}

/** Reads a field that must be there. */
export function required<T>(reading: Reading, field: string, read: FieldReader<T>): T {
  const value = reading.input[field];
  return value === undefined
    ? refuse(reading, field, 'required', `is missing; every ${reading.event} has one`)
    : read(reading, field, value);
}

/** Reads one field; on a fault it notes the problem and returns what `refuse` does. */
export type FieldReader<T> = (reading: Reading, field: string, value: unknown) => T;

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
