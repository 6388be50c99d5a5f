import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRfc3339 } from '@millrace/contracts';
import fc from 'fast-check';
import { holds } from './property.ts';

const good: readonly [string, number][] = [
  ['1970-01-01T00:00:00Z', 0],
  ['2018-04-01T00:00:31Z', 1_522_540_831_000],
  ['2026-03-01T12:00:00.5Z', 1_772_366_400_500],
  ['2026-03-01T12:00:00.123456789Z', 1_772_366_400_123],
  ['2026-03-01t12:00:00z', 1_772_366_400_000],
  ['2026-03-01T13:30:00+01:30', 1_772_366_400_000],
  ['2026-03-01T00:30:00-11:30', 1_772_366_400_000],
  ['2026-03-01T12:00:00-00:00', 1_772_366_400_000],
  ['2024-02-29T00:00:00Z', 1_709_164_800_000],
  ['2000-02-29T00:00:00Z', 951_782_400_000],
  ['0000-01-01T00:00:00Z', -62_167_219_200_000],
  ['9999-12-31T23:59:59.999Z', 253_402_300_799_999],
  ['2016-12-31T23:59:60Z', 1_483_228_800_000], // a leap second that was: the first second of 2017
  ['2017-01-01T00:59:60.25+01:00', 1_483_228_800_250],
];
for (const [text, timeMs] of good) {
  test(`${text} is ${timeMs}`, () => assert.equal(parseRfc3339(text), timeMs));
}

const bad: readonly [string, string][] = [
  ['', 'nothing'],
  ['2026-03-01', 'no time'],
  ['2026-03-01T12:00:00', 'no time zone'],
  ['2026-03-01 12:00:00Z', 'a space instead of T'],
  ['2026-03-01T12:00Z', 'no seconds'],
  ['2026-02-29T00:00:00Z', '29 February in a common year'],
  ['1900-02-29T00:00:00Z', '29 February in a century that is no leap year'],
  ['2026-04-31T00:00:00Z', '31 April'],
  ['2026-00-01T00:00:00Z', 'month 0'],
  ['2026-13-01T00:00:00Z', 'month 13'],
  ['2026-01-00T00:00:00Z', 'day 0'],
  ['2026-03-01T24:00:00Z', 'hour 24'],
  ['2026-03-01T12:60:00Z', 'minute 60'],
  ['2026-03-01T12:00:61Z', 'second 61'],
  ['2026-03-01T12:00:60Z', 'a leap second at noon'],
  ['2026-03-02T23:59:60Z', 'a leap second on a day that ends no month'],
  ['2016-12-31T23:59:60+01:00', 'a leap second that is none in UTC'],
  ['2026-03-01T12:00:00.Z', 'a point without a fraction'],
  ['2026-03-01T12:00:00,5Z', 'a comma before the fraction'],
  ['2026-03-01T12:00:00+24:00', 'an offset of 24 hours'],
  ['2026-03-01T12:00:00+01:60', 'an offset of 60 minutes'],
  ['2026-03-01T12:00:00+0100', 'an offset without colon'],
  ['2026-03-01T12:00:00+01', 'an offset of hours only'],
  ['2026-03-01T12:00:00Z ', 'a space behind'],
  ['2026-03-01T12:00:00Z\n', 'a line end behind'],
  ['+026-03-01T12:00:00Z', 'a sign in the year'],
  ['2026-03-01T1２:00:00Z', 'a digit of another script'],
  [`2026-03-01T12:00:00.${'1'.repeat(60)}Z`, 'a fraction without end'],
];
for (const [text, why] of bad) {
  test(`${why} is refused: ${JSON.stringify(text)}`, () => assert.equal(parseRfc3339(text), undefined));
}

test('a time reads as Date reads it, whatever the offset', (context) => {
  const offsets = fc.tuple(fc.constantFrom('+', '-'), fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }));
  // The years that RFC 3339 can write, and a day less on each side for the offset.
  const times = fc.integer({ min: -62_167_219_200_000 + 86_400_000, max: 253_402_300_799_999 - 86_400_000 });
  holds(
    context,
    fc.property(times, offsets, (timeMs, [sign, hours, minutes]) => {
      const localMs = timeMs + (sign === '+' ? 1 : -1) * (hours * 60 + minutes) * 60_000;
      const two = (value: number) => String(value).padStart(2, '0');
      const local = new Date(localMs).toISOString().slice(0, -1);
      const text = `${local}${sign}${two(hours)}:${two(minutes)}`;
      assert.equal(parseRfc3339(text), timeMs);
      assert.equal(parseRfc3339(new Date(timeMs).toISOString()), timeMs);
    }),
  );
});

test('every day of the calendar, and no other, is a day', () => {
  const two = (value: number) => String(value).padStart(2, '0');
  for (const year of [1900, 2000, 2023, 2024, 2100]) {
    for (let month = 0; month <= 13; month += 1) {
      for (let day = 0; day <= 32; day += 1) {
        const date = new Date(Date.UTC(year, month - 1, day));
        const exists = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
        const text = `${year}-${two(month)}-${two(day)}T00:00:00Z`;
        assert.equal(parseRfc3339(text), exists ? date.getTime() : undefined, text);
      }
    }
  }
});
