import { Buffer } from 'node:buffer'; // the global of that name is a getter, and this is a hot path
import { StreamsError } from './errors.ts';
import { RecentTexts } from './recent-texts.ts';

/** With `?` a field may be missing or null; it is `undefined` then. */
export type FieldKind = 'string' | 'number' | 'boolean' | 'string?' | 'number?' | 'boolean?';
export type FieldKinds = Readonly<Record<string, FieldKind>>;
interface Kinds {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
}
export type FieldsOf<F extends FieldKinds> = {
  readonly [K in keyof F]: F[K] extends `${infer B extends keyof Kinds}?`
    ? Kinds[B] | undefined
    : Kinds[F[K] & keyof Kinds];
};

/**
 * A decoder that takes the named fields out of a JSON object and passes over all others, for `Topic.decode`. It gives
 * what `JSON.parse` would, field by field, and takes about half its time when three of eleven are wanted:
 * an object costs what is made of it, strings and properties, far more than the reading.
 *
 * Bytes are read directly as long as they are what producers write nearly always: one flat object of ASCII strings
 * without escapes, numbers without an exponent, booleans and null. Anything else is given to `JSON.parse`.
 *
 * The decoder throws `undecodable` for what is not a JSON object, and for a field that is missing or of another kind.
 */
export function jsonFields<const F extends FieldKinds>(fields: F): (bytes: Uint8Array) => FieldsOf<F> {
  const names = Object.keys(fields);
  if (names.length === 0 || names.length > FIELDS_MAX || names.includes('__proto__'))
    throw new StreamsError('invalid-topology', `jsonFields takes 1 to ${FIELDS_MAX} fields, none named __proto__`);
  const reader = new FieldReader(names, Object.values(fields));
  return (bytes) => {
    const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return (reader.read(buffer) ?? reader.parse(buffer)) as FieldsOf<F>;
  };
}

/** One bit each tells which have been seen. */
const FIELDS_MAX = 30;
const NOT_WANTED = -1;
const DIGITS_MAX = 15; // so many make an exact integer, and a decimal that one division rounds as JSON.parse does
const POWERS_OF_TEN = Array.from({ length: DIGITS_MAX + 1 }, (_, exponent) => 10 ** exponent);

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

type Values = Record<string, unknown>;

/** A member as it stood in the last record: the next one is likely to have the same at the same place. */
interface Member {
  /** The name in quotes and the colon. */
  readonly prefix: Buffer;
  /** Index of the field, or `NOT_WANTED`. */
  readonly field: number;
}

class FieldReader {
  readonly #names: readonly string[];
  readonly #kinds: readonly ('string' | 'number' | 'boolean')[];
  readonly #required: number;
  /** Copied for every record, so that all of them have one shape. */
  readonly #empty: Readonly<Values>;
  readonly #members: Member[] = [];
  readonly #texts = new RecentTexts();
  /** Where the number or the literal read last has ended. */
  #end = 0;

  constructor(names: readonly string[], kinds: readonly FieldKind[]) {
    this.#names = names;
    this.#kinds = kinds.map((kind) => kind.replace('?', '') as keyof Kinds);
    this.#required = kinds.reduce((bits, kind, field) => (kind.endsWith('?') ? bits : bits | (1 << field)), 0);
    this.#empty = Object.fromEntries(names.map((name) => [name, undefined]));
  }

  /** The fields, or `undefined` when these bytes are for `parse`. */
  read(bytes: Buffer): Values | undefined {
    const { length } = bytes;
    if (bytes[0] !== OPEN) return undefined;
    const values: Values = { ...this.#empty };
    let seen = 0;
    let at = 1;
    for (let index = 0; ; index++) {
      let member = this.#members[index];
      if (member === undefined || !startsWith(bytes, at, member.prefix)) {
        member = this.#learn(bytes, at, index);
        if (member === undefined) return undefined;
      }
      at += member.prefix.length;
      if (bytes[at] === SPACE) at += 1;
      const { field } = member;
      const first = bytes[at] ?? 0;
      if (first === QUOTE) {
        const start = at + 1;
        at = endOfText(bytes, start);
        if (at < 0) return undefined;
        if (field !== NOT_WANTED) {
          if (this.#kinds[field] !== 'string') return undefined;
          values[this.#names[field] as string] = this.#texts.read(bytes, start, at);
          seen |= 1 << field;
        }
        at += 1;
      } else {
        const value = first === MINUS || isDigit(first) ? this.#number(bytes, at) : this.#literal(bytes, at);
        if (value === undefined) return undefined;
        if (field !== NOT_WANTED && value !== null) {
          if (typeof value !== this.#kinds[field]) return undefined;
          values[this.#names[field] as string] = value;
          seen |= 1 << field;
        }
        at = this.#end;
      }
      const next = bytes[at];
      if (next === CLOSE) break;
      if (next !== COMMA) return undefined;
      at += bytes[at + 1] === SPACE ? 2 : 1;
    }
    return at + 1 === length && (seen & this.#required) === this.#required ? values : undefined;
  }

  /** The same for any JSON, and for what is none. */
  parse(bytes: Buffer): Values {
    let parsed: unknown;
    try {
      parsed = JSON.parse(bytes.toString('utf8'));
    } catch (cause) {
      throw new StreamsError('undecodable', `not JSON: ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
      throw new StreamsError('undecodable', 'a JSON object is expected');
    const values: Values = { ...this.#empty };
    this.#names.forEach((name, field) => {
      const value = Object.hasOwn(parsed, name) ? (parsed as Values)[name] : undefined;
      if (typeof value === this.#kinds[field]) values[name] = value;
      else if ((this.#required & (1 << field)) !== 0 || (value !== undefined && value !== null))
        throw new StreamsError(
          'undecodable',
          `field ${name} must be a ${this.#kinds[field]}; found ${value === null ? 'null' : typeof value}`,
        );
    });
    return values;
  }

  /** The member that stands here, remembered for the next record. */
  #learn(bytes: Buffer, at: number, index: number): Member | undefined {
    const end = bytes[at] === QUOTE ? endOfText(bytes, at + 1) : -1;
    if (end < 0 || bytes[end + 1] !== COLON) return undefined;
    const prefix = Buffer.from(bytes.subarray(at, end + 2));
    const member = { prefix, field: this.#names.indexOf(prefix.toString('latin1', 1, prefix.length - 2)) };
    if (index < MEMBERS_MAX) this.#members[index] = member;
    return member;
  }

  /** A number, unless it has more digits than fit, or an exponent. */
  #number(bytes: Buffer, from: number): number | undefined {
    const start = bytes[from] === MINUS ? from + 1 : from;
    let at = start;
    let mantissa = 0;
    let code = bytes[at] ?? 0;
    while (isDigit(code)) {
      mantissa = mantissa * 10 + (code - ZERO);
      code = bytes[++at] ?? 0;
    }
    let digits = at - start;
    if (digits === 0 || (digits > 1 && bytes[start] === ZERO)) return undefined;
    let decimals = 0;
    if (code === POINT) {
      code = bytes[++at] ?? 0;
      const point = at;
      while (isDigit(code)) {
        mantissa = mantissa * 10 + (code - ZERO);
        code = bytes[++at] ?? 0;
      }
      decimals = at - point;
      if (decimals === 0) return undefined;
      digits += decimals;
    }
    if (digits > DIGITS_MAX) return undefined;
    this.#end = at; // an exponent is not the comma that has to follow
    const value = decimals === 0 ? mantissa : mantissa / (POWERS_OF_TEN[decimals] as number);
    return start === from ? value : -value;
  }

  #literal(bytes: Buffer, at: number): boolean | null | undefined {
    const [literal, value] = startsWith(bytes, at, TRUE)
      ? [TRUE, true]
      : startsWith(bytes, at, FALSE)
        ? [FALSE, false]
        : startsWith(bytes, at, NULL)
          ? [NULL, null]
          : [NULL, undefined];
    this.#end = at + literal.length;
    return value;
  }
}

/** Members remembered: an object of more is read all the same. */
const MEMBERS_MAX = 200;

const isDigit = (code: number): boolean => code >= ZERO && code <= NINE;

function startsWith(bytes: Buffer, at: number, prefix: Buffer): boolean {
  const { length } = prefix;
  if (at + length > bytes.length) return false;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}

/** Where the quote after a text of plain ASCII stands, or -1 when the text is something else. */
function endOfText(bytes: Buffer, from: number): number {
  const { length } = bytes;
  for (let at = from; at < length; at++) {
    const code = bytes[at] as number;
    if (code === QUOTE) return at;
    if (code < SPACE || code >= 0x80 || code === BACKSLASH) return -1;
  }
  return -1;
}
