/** The longest text that is looked at: a date and time with an offset, and a fraction of up to 38 digits. */
export const RFC3339_LENGTH_MAX = 64;

const DAY_MS = 86_400_000;
/** The Gregorian calendar repeats after 400 years. */
const CALENDAR_YEARS = 400;
const CALENDAR_MS = 146_097 * DAY_MS;

/**
 * Epoch milliseconds of an RFC 3339 date-time, or undefined when the text is not exactly that.
 *
 * `Date.parse` will not do: it takes `2026-02-30`, dates without a time zone and other forms that differ by engine.
 * Here every part is checked against its range, days against month and leap year; `t` and `z` may be lower case
 * (section 5.6); `-00:00` is UTC (section 4.3); digits of the fraction beyond milliseconds are cut off.
 *
 * A leap second, `:60`, is taken where one can be, in the last minute of a month in UTC (section 5.7), and becomes the
 * first second of the next day, as POSIX time has it. Anywhere else it is an error.
 */
export function parseRfc3339(text: string): number | undefined {
  const length = text.length;
  if (length < 20 || length > RFC3339_LENGTH_MAX) return undefined;
  if (text[4] !== '-' || text[7] !== '-' || text[13] !== ':' || text[16] !== ':') return undefined;
  if (text[10] !== 'T' && text[10] !== 't') return undefined;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 7);
  const day = digits(text, 8, 10);
  const hour = digits(text, 11, 13);
  const minute = digits(text, 14, 16);
  const second = digits(text, 17, 19);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return undefined;

  const fractionEnd = endOfFraction(text);
  const fractionMs = fractionEnd === 19 ? 0 : Number(text.slice(20, Math.min(fractionEnd, 23)).padEnd(3, '0'));
  const offsetMinutes = fractionEnd < 0 ? undefined : parseOffset(text, fractionEnd);
  if (offsetMinutes === undefined) return undefined;

  // Date.UTC reads the years 0 to 99 as 1900 to 1999, so the calculation is done one calendar cycle later.
  const wholeMs =
    Date.UTC(year + CALENDAR_YEARS, month - 1, day, hour, minute - offsetMinutes, Math.min(second, 59)) - CALENDAR_MS;
  if (second < 60) return wholeMs + fractionMs;
  return startsMonth(wholeMs + 1_000) ? wholeMs + 1_000 + fractionMs : undefined;
}

export function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function startsMonth(timeMs: number): boolean {
  return timeMs % DAY_MS === 0 && new Date(timeMs).getUTCDate() === 1;
}

/** Index behind the fraction; 19 when there is none, -1 when the point has no digit behind it. */
function endOfFraction(text: string): number {
  if (text[19] !== '.') return 19;
  let end = 20;
  while (isDigit(text.charCodeAt(end))) end += 1;
  return end === 20 ? -1 : end;
}

/** Minutes ahead of UTC of the offset that fills the text from `start` to its end. */
function parseOffset(text: string, start: number): number | undefined {
  const sign = text[start];
  if (sign === 'Z' || sign === 'z') return text.length === start + 1 ? 0 : undefined;
  if ((sign !== '+' && sign !== '-') || text.length !== start + 6 || text[start + 3] !== ':') return undefined;
  const hours = digits(text, start + 1, start + 3);
  const minutes = digits(text, start + 4, start + 6);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return undefined;
  return (sign === '+' ? 1 : -1) * (hours * 60 + minutes);
}

/** The number that the digits write; -1 when one of them is not a digit. */
function digits(text: string, start: number, end: number): number {
  let value = 0;
  for (let index = start; index < end; index += 1) {
    const code = text.charCodeAt(index);
    if (!isDigit(code)) return -1;
    value = value * 10 + code - 48;
  }
  return value;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}
