import { DAY_MS, MINUTE_MS } from './windows.ts';

/** Alarms of one terminal, oldest first: `[from, until]` in event time, one per stretch of alarming readings. */
export type TamperAlarms = readonly (readonly [fromMs: number, untilMs: number])[];

export const TAMPER_MEMORY_MS = 7 * DAY_MS;
/** Readings that alarm with no more than this between them belong to one alarm. */
const ALARM_GAP_MS_MAX = 10 * MINUTE_MS;
/** Alarms remembered per terminal; the oldest go first. */
const ALARMS_PER_TERMINAL_MAX = 8;

/** Adds an alarming reading, in whatever order readings arrive. */
export function learnTamper(atMs: number, known: TamperAlarms = []): TamperAlarms {
  const isNear = ([fromMs, untilMs]: readonly [number, number]) =>
    atMs >= fromMs - ALARM_GAP_MS_MAX && atMs <= untilMs + ALARM_GAP_MS_MAX;
  const near = known.filter(isNear);
  const joined = [
    Math.min(atMs, ...near.map(([fromMs]) => fromMs)),
    Math.max(atMs, ...near.map(([, untilMs]) => untilMs)),
  ] as const;
  return [...known.filter((alarm) => !isNear(alarm)), joined].sort(([a], [b]) => a - b).slice(-ALARMS_PER_TERMINAL_MAX);
}

/** When the terminal alarmed last, at or before a time; undefined when that is longer ago than it is remembered. */
export function lastTamperMs(alarms: TamperAlarms | undefined, atMs: number): number | undefined {
  const last = alarms?.findLast(([fromMs]) => fromMs <= atMs);
  if (last === undefined) return undefined;
  const tamperMs = Math.min(last[1], atMs);
  return atMs - tamperMs < TAMPER_MEMORY_MS ? tamperMs : undefined;
}
