import { parseRfc3339 } from '@millrace/contracts';
import { type ToUtc, zoneToUtc } from './time-zones.ts';

/** Epoch ms, or undefined for what is no such time. */
export type ReadTime = (value: unknown) => number | undefined;

/** Ticks of an epoch time in a millisecond, as a fraction. */
const EPOCHS = {
  'epoch-s': [1, 1_000],
  'epoch-ms': [1, 1],
  'epoch-us': [1_000, 1],
  'epoch-ns': [1_000_000, 1],
} as const;

/**
 * A reader of times: `iso` (RFC 3339, or without its offset, its seconds or its time, and with a blank for the T; also
 * epoch milliseconds), `epoch-s`, `epoch-ms`, `epoch-us`, `epoch-ns`, or a pattern such as `DD.MM.YYYY HH:mm:ss`. Where
 * nothing is said about the offset, the time is that of `zone`. Digits beyond milliseconds are cut off.
 *
 * @throws {RangeError} with what is wrong with the format or the zone.
 */
export function timeReader(format: string, zone: string): ReadTime {
  const toUtc = zoneToUtc(zone);
  if (format in EPOCHS) return epochReader(format as keyof typeof EPOCHS);
  return format === 'iso' ? isoReader(toUtc) : patternReader(format, toUtc);
}

function epochReader(format: keyof typeof EPOCHS): ReadTime {
  const [divisor, factor] = EPOCHS[format];
  return (value) => {
    const text = typeof value === 'number' || typeof value === 'bigint' ? String(value) : value;
    const match = typeof text === 'string' ? /^([0-9]{1,19})(?:\.([0-9]+))?$/.exec(text.trim()) : null;
    if (match === null) return undefined;
    const [, whole = '', fraction = ''] = match;
    if (factor === 1) return Number(BigInt(whole) / BigInt(divisor));
    return Number(whole) * factor + Number(fraction.slice(0, 3).padEnd(3, '0'));
  };
}

const ISO = /^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?)?(.*)$/;

function isoReader(toUtc: ToUtc): ReadTime {
  return (value) => {
    if (typeof value === 'number') return Number.isInteger(value) ? value : undefined;
    if (typeof value !== 'string') return undefined;
    const text = value.trim();
    if (/^[0-9]{12,15}$/.test(text)) return Number(text);
    const match = ISO.exec(text);
    if (match === null) return undefined;
    const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', offset = ''] = match;
    const clock = `${year}-${month}-${day}T${hour}:${minute}:${second}${fraction === '' ? '' : `.${fraction}`}`;
    // A day has no offset, and a clock without one stands on a wall of the zone.
    if (offset !== '') return match[4] === undefined ? undefined : parseRfc3339(clock + withColon(offset));
    const wallMs = parseRfc3339(`${clock}Z`);
    return wallMs === undefined ? undefined : toUtc(wallMs);
  };
}

/** `+0100` and `+01` are what many write for `+01:00`. */
function withColon(offset: string): string {
  const match = /^ ?([+-][0-9]{2})(?::?([0-9]{2}))?$/.exec(offset);
  return match === null ? offset.trim() : `${match[1]}:${match[2] ?? '00'}`;
}

interface Parts {
  year?: number;
  month?: number;
  day?: number;
  hour?: number;
  minute?: number;
  second?: number;
  millisecond?: number;
  pm?: boolean;
  offset?: string;
}

interface Token {
  readonly pattern: string;
  read(parts: Parts, text: string): void;
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const number = (part: 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second', digits: string): Token => ({
  pattern: `([0-9]${digits})`,
  read: (parts, text) => {
    parts[part] = Number(text);
  },
});

/** Longer names first: the first that fits is taken. */
const TOKENS: readonly (readonly [string, Token])[] = [
  ['YYYY', number('year', '{4}')],
  [
    'MMM',
    {
      pattern: '([A-Za-z]{3})',
      read: (parts, text) => {
        parts.month = MONTHS.indexOf(text.toLowerCase()) + 1;
      },
    },
  ],
  [
    'SSS',
    {
      pattern: '([0-9]{1,9})',
      read: (parts, text) => {
        parts.millisecond = Number(text.slice(0, 3).padEnd(3, '0'));
      },
    },
  ],
  ['MM', number('month', '{2}')],
  ['DD', number('day', '{2}')],
  ['HH', number('hour', '{2}')],
  ['hh', number('hour', '{2}')],
  ['mm', number('minute', '{2}')],
  ['ss', number('second', '{2}')],
  ['M', number('month', '{1,2}')],
  ['D', number('day', '{1,2}')],
  ['H', number('hour', '{1,2}')],
  ['h', number('hour', '{1,2}')],
  [
    'A',
    {
      pattern: '([AaPp][Mm])',
      read: (parts, text) => {
        parts.pm = text.toLowerCase() === 'pm';
      },
    },
  ],
  [
    'Z',
    {
      pattern: '([Zz]|[+-][0-9]{2}:?[0-9]{2})',
      read: (parts, text) => {
        parts.offset = text.toLowerCase() === 'z' ? 'Z' : withColon(text);
      },
    },
  ],
];

function patternReader(pattern: string, toUtc: ToUtc): ReadTime {
  const { expression, tokens } = compilePattern(pattern);
  return (value) => {
    const match = typeof value === 'string' ? expression.exec(value.trim()) : null;
    if (match === null) return undefined;
    const parts: Parts = {};
    tokens.forEach((token, index) => {
      token.read(parts, match[index + 1] ?? '');
    });
    const { year = 0, month = 1, day = 1, minute = 0, second = 0, millisecond = 0, offset } = parts;
    const hour = hourOf(parts);
    if (hour === undefined) return undefined;
    const clock = `${pad(year, 4)}-${pad(month)}-${pad(day)}T${pad(hour)}:${pad(minute)}:${pad(second)}.${pad(millisecond, 3)}`;
    const utcMs = parseRfc3339(clock + (offset ?? 'Z'));
    return utcMs === undefined || offset !== undefined ? utcMs : toUtc(utcMs);
  };
}

function hourOf({ hour = 0, pm }: Parts): number | undefined {
  if (pm === undefined) return hour;
  if (hour < 1 || hour > 12) return undefined;
  return (hour % 12) + (pm ? 12 : 0);
}

function compilePattern(pattern: string): { readonly expression: RegExp; readonly tokens: readonly Token[] } {
  const tokens: Token[] = [];
  let source = '';
  for (let at = 0; at < pattern.length; ) {
    const found = TOKENS.find(([name]) => pattern.startsWith(name, at));
    if (found !== undefined) {
      const [name, token] = found;
      tokens.push(token);
      source += token.pattern;
      at += name.length;
      continue;
    }
    const character = pattern[at] ?? '';
    if (/[A-Za-z]/.test(character) && character !== 'T') throw new RangeError(unknownLetter(character));
    source += character.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
    at += 1;
  }
  if (!pattern.includes('YYYY') || !/M/.test(pattern) || !/D/.test(pattern)) {
    throw new RangeError('a pattern names YYYY, M and D at least; or use iso, epoch-s, epoch-ms, epoch-us, epoch-ns');
  }
  if (/h/.test(pattern) !== pattern.includes('A'))
    throw new RangeError('h and A (AM or PM) go together; H counts to 23');
  return { expression: new RegExp(`^${source}$`), tokens };
}

function unknownLetter(letter: string): string {
  const known = TOKENS.map(([name]) => name).join(', ');
  return `"${letter}" means nothing in a pattern; known are ${known} and T; or use iso, epoch-s, epoch-ms, epoch-us, epoch-ns`;
}

function pad(value: number, length = 2): string {
  return String(value).padStart(length, '0');
}
