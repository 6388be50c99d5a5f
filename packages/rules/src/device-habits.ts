import type { MetricValue, Telemetry } from '@millrace/contracts';
import { HOUR_MS, MINUTE_MS } from './windows.ts';

/** What is remembered of one metric of a device; exponentially weighted, so that it costs the same however long it runs. */
export interface MetricHabit {
  /** Readings seen. */
  readonly count: number;
  readonly mean: number;
  readonly variance: number;
  readonly last: number;
  /** Readings in a row with the very same value. */
  readonly unchanged: number;
  /** Share of readings, 0 to 1, whose value differed from the one before, while it still moved. */
  readonly changing: number;
}

export interface DeviceHabits {
  /** Event time of the newest reading learnt from. */
  readonly newest_ms: number;
  readonly metrics: Readonly<Record<string, MetricHabit>>;
  /** When each finding was last reported: `<rule>:<metric>` -> event time. */
  readonly reported: Readonly<Record<string, number>>;
}

/** What a rule objects to in a reading; about the first metric, with the values of all that it objects to. */
export interface DeviceFinding {
  readonly rule: DeviceRule;
  readonly metric: string;
  readonly values: Readonly<Record<string, number>>;
  /** What was usual for that metric, and how far from it is still unremarkable. */
  readonly usual?: { readonly mean: number; readonly range: number };
}

/** The rules for readings of devices: fixed ones, with the words and weights that their alerts carry. */
export const DEVICE_RULES = {
  tamper: {
    id: 'device-tamper',
    version: 1,
    weight: 900,
    reason: 'The device reports that it was opened or tampered with.',
  },
  outOfRange: {
    id: 'device-out-of-range',
    version: 1,
    weight: 600,
    reason: 'A value lies far from what the device usually measures.',
  },
  stuck: { id: 'device-stuck', version: 1, weight: 500, reason: 'A value that used to move has stopped moving.' },
} as const;
export type DeviceRule = keyof typeof DEVICE_RULES;

/** The metric by which a terminal says that it was opened: true or 1. */
export const TAMPER_METRIC = 'tamper';
/** Weight of a new reading in mean and variance: about the last forty readings count. */
const WEIGHT = 0.05;
/** Readings that must be known before one can be called unusual. */
const HABIT_COUNT_MIN = 30;
const DEVIATIONS_MAX = 8;
/** A sensor that always says nearly the same: least deviation as a share of the mean, and flat. */
const DEVIATION_SHARE_MIN = 0.02;
const DEVIATION_MIN = 1e-3;
/** A metric counts as moving when nearly every reading differs from the one before... */
const CHANGING_SHARE_MIN = 0.9;
/** ...and as stuck when this many in a row are the same. */
const STUCK_COUNT_MIN = 20;
/** The same finding is reported again after this time of the device. */
const REPORT_GAP_MS: Record<DeviceRule, number> = {
  tamper: 10 * MINUTE_MS,
  outOfRange: 10 * MINUTE_MS,
  stuck: HOUR_MS,
};
/** Metrics remembered per device; others are judged by nothing but tamper. */
const METRICS_PER_DEVICE_MAX = 64;

/** Whether a reading is a tamper alarm. */
export function isTamper({ metrics }: Telemetry): boolean {
  return metrics[TAMPER_METRIC] === true || metrics[TAMPER_METRIC] === 1;
}

/**
 * Judges a reading by what the device used to measure, then learns from it: mean and variance are exponentially
 * weighted (West, "Updating mean and variance estimates", 1979). A reading out of order is judged, but not learnt
 * from, nor can it say that a value is stuck. What is out of range is learnt at the edge of the range, so that one wild
 * value does not hide the next, and a new normal is taken up after a while.
 */
export function judgeReading(
  reading: Telemetry,
  known?: DeviceHabits,
): { habits: DeviceHabits; findings: DeviceFinding[] } {
  const inOrder = known === undefined || reading.event_time >= known.newest_ms;
  const metrics: Record<string, MetricHabit> = { ...known?.metrics };
  const found: DeviceFinding[] = [];
  if (isTamper(reading)) found.push({ rule: 'tamper', metric: TAMPER_METRIC, values: { [TAMPER_METRIC]: 1 } });

  for (const [metric, value] of numbers(reading.metrics)) {
    // `toString` is a name that a metric may have.
    const habit = known !== undefined && Object.hasOwn(known.metrics, metric) ? known.metrics[metric] : undefined;
    const range = habit === undefined ? undefined : usualRange(habit);
    if (habit !== undefined && range !== undefined && Math.abs(value - habit.mean) > range) {
      const usual = { mean: habit.mean, range: digits(range) };
      found.push({ rule: 'outOfRange', metric, values: { [metric]: value }, usual });
    }
    if (!inOrder || (habit === undefined && Object.keys(metrics).length >= METRICS_PER_DEVICE_MAX)) continue;
    const learnt = learn(value, habit, range);
    metrics[metric] = learnt;
    if (learnt.unchanged >= STUCK_COUNT_MIN && learnt.changing >= CHANGING_SHARE_MIN) {
      found.push({ rule: 'stuck', metric, values: { [metric]: value } });
    }
  }

  const reported: Record<string, number> = { ...known?.reported };
  const findings = new Map<DeviceRule, DeviceFinding>();
  for (const finding of found) {
    const key = `${finding.rule}:${finding.metric}`;
    const before = reported[key];
    if (before !== undefined && Math.abs(reading.event_time - before) < REPORT_GAP_MS[finding.rule]) continue;
    reported[key] = reading.event_time;
    const first = findings.get(finding.rule);
    findings.set(finding.rule, { ...finding, ...first, values: { ...first?.values, ...finding.values } });
  }
  const newest_ms = Math.max(reading.event_time, known?.newest_ms ?? 0);
  return { habits: { newest_ms, metrics, reported }, findings: [...findings.values()] };
}

/** Half the width of what is usual around the mean; undefined while too little is known. */
function usualRange({ count, mean, variance }: MetricHabit): number | undefined {
  if (count < HABIT_COUNT_MIN) return undefined;
  return DEVIATIONS_MAX * Math.max(Math.sqrt(variance), Math.abs(mean) * DEVIATION_SHARE_MIN, DEVIATION_MIN);
}

function learn(value: number, habit: MetricHabit | undefined, range: number | undefined): MetricHabit {
  if (habit === undefined)
    return { count: 1, mean: digits(value), variance: 0, last: value, unchanged: 1, changing: 0 };
  // With few readings every one weighs the same; from the twentieth on the newest weighs more.
  const weight = Math.max(WEIGHT, 1 / (habit.count + 1));
  const difference = value - habit.mean;
  const step = range === undefined ? difference : Math.max(-range, Math.min(range, difference));
  const moved = value !== habit.last;
  return {
    count: Math.min(habit.count + 1, HABIT_COUNT_MIN),
    mean: digits(habit.mean + weight * step),
    variance: digits((1 - weight) * (habit.variance + weight * step * step)),
    last: value,
    unchanged: moved ? 1 : habit.unchanged + 1,
    // A value that stands still keeps the share it had when it moved: that is what makes it stuck.
    changing: moved
      ? digits(habit.changing + weight * (1 - habit.changing))
      : habit.unchanged === 1
        ? digits(habit.changing * (1 - weight))
        : habit.changing,
  };
}

/** Seven significant digits: what is in the store then is what the changelog has, and short. */
const digits = (value: number): number => Number(value.toPrecision(7));

function* numbers(metrics: Readonly<Record<string, MetricValue>>): Generator<[string, number]> {
  for (const [name, value] of Object.entries(metrics))
    if (typeof value === 'number' && name !== TAMPER_METRIC) yield [name, value];
}
