const DAY_MS = 86_400_000;
/** Offsets change at full quarters of an hour (in living memory). */
const QUARTER_MS = 900_000;
const CACHED_MAX = 10_000;

/** Epoch ms of a clock on the wall, which is given as if it were in UTC. */
export type ToUtc = (wallMs: number) => number;

/**
 * What a clock on the wall of a time zone (IANA: `Europe/Lisbon`) means. In the hour that comes twice it is the first,
 * and a time that is left out in spring is as much later: what RFC 5545 says, and Temporal's "compatible".
 *
 * @throws {RangeError} for a zone that there is not.
 */
export function zoneToUtc(zone: string): ToUtc {
  if (zone === 'UTC') return (wallMs) => wallMs;
  const offsetOf = offsets(zone);
  return (wallMs) => {
    const before = offsetOf(wallMs - DAY_MS);
    const after = offsetOf(wallMs + DAY_MS);
    const candidates = [wallMs - before, wallMs - after].filter((utcMs) => utcMs + offsetOf(utcMs) === wallMs);
    return candidates.length === 0 ? wallMs - before : Math.min(...candidates);
  };
}

/** Milliseconds ahead of UTC at a moment. */
function offsets(zone: string): (utcMs: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    era: 'short',
  });
  const cached = new Map<number, number>();
  return (utcMs) => {
    const quarter = Math.floor(utcMs / QUARTER_MS);
    const known = cached.get(quarter);
    if (known !== undefined) return known;
    const startMs = quarter * QUARTER_MS;
    const part: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(startMs)) part[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
    const offsetMs = Date.UTC(year, month - 1, day, hour, minute, second) - startMs;
    if (cached.size >= CACHED_MAX) cached.clear();
    cached.set(quarter, offsetMs);
    return offsetMs;
  };
}
