import { IsIPv4, IsIPv6 } from 'typebox/format';
import { cardNumberIn } from '../card-number.ts';
import { isCountry } from '../country.ts';
import { shown, typeName } from '../echo.ts';
import { NAME_PATTERN } from '../fields.ts';
import * as limits from '../limits.ts';
import { currencyExponent, parseAmountMinor } from '../money.ts';
import { parseRfc3339 } from '../time.ts';
import { type FieldReader, type Reading, refuse } from './reading.ts';

/** Readers of single values: what comes in is unknown, what goes out satisfies the schema of the field. */

export const transactionId = identifier(limits.TRANSACTION_ID_LENGTH_MAX);
export const id = identifier(limits.ID_LENGTH_MAX);
export const name: FieldReader<string> = (reading, field, value) => {
  if (typeof value !== 'string') return wrongType(reading, field, value, 'a text');
  if (NAME.test(value)) return value;
  const form = 'A-Z a-z 0-9 . _ : / -, beginning with a letter or digit';
  return refuse(reading, field, 'malformed', `must be 1 to ${limits.NAME_LENGTH_MAX} of ${form}; got ${shown(value)}`);
};
const NAME = new RegExp(NAME_PATTERN, 'u');

const ID_CHARACTER = new RegExp(`^[${limits.ID_ALPHABET}]$`);
const ID_CHARACTERS = Uint8Array.from({ length: 128 }, (_, code) =>
  ID_CHARACTER.test(String.fromCharCode(code)) ? 1 : 0,
);

/** A token passes as it is; a card number is exchanged for its token here, before anything else sees it. */
export const cardId: FieldReader<string> = (reading, field, value) => {
  const cardNumber = typeof value === 'string' ? cardNumberIn(value) : undefined;
  return cardNumber === undefined ? id(reading, field, value) : reading.options.tokenizeCard(cardNumber);
};

export const text: FieldReader<string> = (reading, field, value) => {
  if (typeof value !== 'string') return wrongType(reading, field, value, 'a text');
  if (!value.isWellFormed()) return refuse(reading, field, 'malformed', NOT_WELL_FORMED);
  if (isLongerThan(value, limits.TEXT_LENGTH_MAX)) {
    return refuse(reading, field, 'out-of-range', `must have at most ${limits.TEXT_LENGTH_MAX} characters`);
  }
  return value;
};
export const NOT_WELL_FORMED = 'holds half a surrogate pair, which UTF-8 cannot write; send whole characters';

export const boolean: FieldReader<boolean> = (reading, field, value) =>
  typeof value === 'boolean' ? value : wrongType(reading, field, value, 'true or false');

export const sequence = integer(0, limits.SEQUENCE_MAX);
export const latitude = degrees(90);
export const longitude = degrees(180);

export const mcc: FieldReader<string> = (reading, field, value) =>
  typeof value === 'string' && /^[0-9]{4}$/.test(value)
    ? value
    : refuse(reading, field, 'malformed', `must be a text of 4 digits (ISO 18245) such as "5411"; got ${shown(value)}`);

export const country: FieldReader<string> = (reading, field, value) =>
  typeof value === 'string' && isCountry(value)
    ? value
    : refuse(
        reading,
        field,
        'unknown-value',
        `must be an ISO 3166-1 alpha-2 code in capitals such as "PT"; got ${shown(value)}`,
      );

export const ip: FieldReader<string> = (reading, field, value) =>
  typeof value === 'string' && (IsIPv4(value) || IsIPv6(value))
    ? value
    : refuse(reading, field, 'malformed', `must be an IPv4 or IPv6 address without port or zone; got ${shown(value)}`);

export function oneOf<const V extends string>(values: readonly V[]): FieldReader<V> {
  const known: readonly string[] = values;
  return (reading, field, value) =>
    typeof value === 'string' && known.includes(value)
      ? (value as V)
      : refuse(reading, field, 'unknown-value', `must be one of ${values.join(', ')}; got ${shown(value)}`);
}

/** The time of an event: not in the future, and not older than the route allows. */
export const eventTime: FieldReader<number> = (reading, field, value) => {
  const timeMs = pastTime(reading, field, value);
  const { nowMs, maxAgeMs } = reading.options;
  // When `pastTime` has refused it, there is no time: the comparison is false.
  if (!(nowMs - timeMs > maxAgeMs)) return timeMs;
  const days = maxAgeMs / 86_400_000;
  return refuse(reading, field, 'too-old', `is more than ${days} days ago; send old events through POST /v1/batches`);
};

/** A time of any age, for what is known about the past. */
export const pastTime: FieldReader<number> = (reading, field, value) => {
  const timeMs = typeof value === 'string' ? parseRfc3339(value) : value;
  if (typeof timeMs !== 'number' || !Number.isInteger(timeMs)) {
    return refuse(
      reading,
      field,
      typeof value === 'string' || typeof value === 'number' ? 'malformed' : 'wrong-type',
      `must be RFC 3339 with a time zone such as "2026-03-01T12:00:00Z", or whole epoch milliseconds; got ${shown(value)}`,
    );
  }
  if (timeMs < limits.EVENT_TIME_MIN_MS || timeMs > limits.EVENT_TIME_MAX_MS) {
    const remedy = typeof value === 'number' ? '; epoch seconds must be multiplied by 1000' : '';
    return refuse(reading, field, 'out-of-range', `must be between the years 2000 and 9999${remedy}`);
  }
  if (timeMs - reading.options.nowMs > limits.FUTURE_MAX_MS) {
    const minutes = limits.FUTURE_MAX_MS / 60_000;
    return refuse(reading, field, 'in-the-future', `is more than ${minutes} minutes ahead; set the sender's clock`);
  }
  return timeMs;
};

/** `amount` and `currency` together: how many digits an amount may have depends on its currency. */
export function money(reading: Reading): { amount_minor: number; currency: string } {
  const { amount, currency } = reading.input;
  const exponent = typeof currency === 'string' ? currencyExponent(currency) : undefined;
  if (currency === undefined)
    refuse(reading, 'currency', 'required', 'is missing; every amount has one, such as "EUR"');
  else if (exponent === undefined) {
    const message = `must be an ISO 4217 code in capitals such as "EUR"; got ${shown(currency)}`;
    refuse(reading, 'currency', 'unknown-value', message);
  }
  if (amount === undefined) refuse(reading, 'amount', 'required', 'is missing; send a decimal string such as "12.50"');
  else {
    // With an unknown currency, the most digits of any: what is wrong for that is wrong for all.
    const minor = parseAmountMinor(amount, exponent ?? EXPONENT_MAX);
    if (typeof minor === 'number') return { amount_minor: minor, currency: currency as string };
    refuse(reading, 'amount', minor.code, `${minor.message}; got ${shown(amount)}`);
  }
  return { amount_minor: 0, currency: '' };
}
/** CLF and UYW. */
const EXPONENT_MAX = 4;

/** Whether a text has more characters (code points, as JSON Schema counts them) than that. */
export function isLongerThan(value: string, lengthMax: number): boolean {
  return value.length > lengthMax && (value.length > lengthMax * 2 || [...value].length > lengthMax);
}

/** ID_PATTERN or TRANSACTION_ID_PATTERN, read in a loop: an event has up to eight ids, and most are short. */
function identifier(lengthMax: number): FieldReader<string> {
  return (reading, field, value) => {
    if (typeof value !== 'string') return wrongType(reading, field, value, 'a text');
    if (value.length > 0 && value.length <= lengthMax && isOfIdAlphabet(value)) return value;
    const form = `1 to ${lengthMax} characters of A-Z a-z 0-9 . _ : -`;
    return refuse(reading, field, 'malformed', `must be ${form}; got ${shown(value)}`);
  };
}

function isOfIdAlphabet(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (ID_CHARACTERS[text.charCodeAt(index)] !== 1) return false;
  }
  return true;
}

function integer(minimum: number, maximum: number): FieldReader<number> {
  return (reading, field, value) => {
    if (typeof value !== 'number') return wrongType(reading, field, value, 'a number');
    if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
    const message = `must be a whole number from ${minimum} to ${maximum}; got ${shown(value)}`;
    return refuse(reading, field, 'out-of-range', message);
  };
}

function degrees(maximum: number): FieldReader<number> {
  return (reading, field, value) => {
    if (typeof value !== 'number') return wrongType(reading, field, value, 'a number');
    if (value >= -maximum && value <= maximum) return value;
    const message = `must be decimal degrees from -${maximum} to ${maximum}; got ${shown(value)}`;
    return refuse(reading, field, 'out-of-range', message);
  };
}

function wrongType(reading: Reading, field: string, value: unknown, wanted: string): never {
  const remedy = value === null ? '; leave the field out when it is unknown' : '';
  return refuse(reading, field, 'wrong-type', `must be ${wanted}, not ${typeName(value)}${remedy}`);
}
