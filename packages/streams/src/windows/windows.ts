import { StreamsError } from '../errors.ts';

/** A stretch of event time, `[startMs, endMs)`, epoch milliseconds. */
export interface Window {
  readonly startMs: number;
  readonly endMs: number;
}

/** Windows of a fixed size; one begins at every multiple of `advanceMs` since the epoch, before it as well. */
export interface TimeWindows {
  readonly kind: 'tumbling' | 'hopping';
  readonly sizeMs: number;
  readonly advanceMs: number;
}

/**
 * Stretches of activity of one key. A session is `[first event, last event + gapMs)`: an event that lies in it, or less
 * than `gapMs` before its start, belongs to it and may make it longer; one that touches two sessions makes them one.
 */
export interface SessionWindows {
  readonly kind: 'session';
  readonly gapMs: number;
  /** From the first to the last event. What would make a session longer begins another: one that never ends is of no use. */
  readonly lengthMsMax: number;
}

export type Windows = TimeWindows | SessionWindows;

/** Windows that follow each other without a gap: every event is in one. */
export function tumbling({ sizeMs }: { readonly sizeMs: number }): TimeWindows {
  checkLength('sizeMs', sizeMs);
  return { kind: 'tumbling', sizeMs, advanceMs: sizeMs };
}

/** Windows that overlap: every event is in `sizeMs / advanceMs` of them, on average. */
export function hopping({ sizeMs, advanceMs }: Omit<TimeWindows, 'kind'>): TimeWindows {
  checkLength('sizeMs', sizeMs);
  checkLength('advanceMs', advanceMs);
  if (advanceMs > sizeMs)
    throw new StreamsError('invalid-topology', `advanceMs ${advanceMs} is over sizeMs ${sizeMs}: events would be lost`);
  return { kind: 'hopping', sizeMs, advanceMs };
}

/** Windows that the events themselves make; see `SessionWindows`. */
export function session({ gapMs, lengthMsMax }: Omit<SessionWindows, 'kind'>): SessionWindows {
  checkLength('gapMs', gapMs);
  checkLength('lengthMsMax', lengthMsMax);
  return { kind: 'session', gapMs, lengthMsMax };
}

/** The windows that a time lies in, the earliest first. */
export function windowsOf({ sizeMs, advanceMs }: TimeWindows, timestampMs: number): Window[] {
  const windows: Window[] = [];
  for (
    let startMs = lastStartOf(advanceMs, timestampMs - sizeMs) + advanceMs;
    startMs <= timestampMs;
    startMs += advanceMs
  )
    windows.push({ startMs, endMs: startMs + sizeMs });
  return windows;
}

/** The latest multiple of a length that is not after a time: the start of the last window that the time lies in. */
export const lastStartOf = (lengthMs: number, timestampMs: number): number =>
  Math.floor(timestampMs / lengthMs) * lengthMs;

/** The start of the earliest window that is open: one is closed when its end and the grace are not after stream time. */
export const firstOpenStartOf = ({ sizeMs, advanceMs }: TimeWindows, graceMs: number, streamTimeMs: number): number =>
  lastStartOf(advanceMs, streamTimeMs - graceMs - sizeMs) + advanceMs;

/**
 * The greatest length that divides a window and its advance. Panes of that length, side by side, make up every window,
 * so that an event is counted once, in its pane, and not in each of its windows.
 */
export function paneMsOf({ sizeMs, advanceMs }: TimeWindows): number {
  let [larger, smaller] = [sizeMs, advanceMs];
  while (smaller > 0) [larger, smaller] = [smaller, larger % smaller];
  return larger;
}

/** For `describe()`. */
export function describeWindows(windows: Windows): string {
  if (windows.kind === 'session') return `session windows (gap ${windows.gapMs} ms, at most ${windows.lengthMsMax} ms)`;
  const advance = windows.kind === 'hopping' ? ` by ${windows.advanceMs}` : '';
  return `${windows.kind} windows of ${windows.sizeMs}${advance} ms`;
}

function checkLength(name: string, ms: number): void {
  if (!(Number.isSafeInteger(ms) && ms > 0))
    throw new StreamsError('invalid-topology', `${name} is ${ms}; it must be a whole number of milliseconds over 0`);
}
