// npm run bench -- windows    what an event costs in the window stores, above the look-up of its key in a Map
// 2,000,000 payments of 10,000 cards (Zipf), 5 ms apart in event time and up to 5 s late; count and sum per card; closing
// and the changes for a commit after every 13,000 events included. CPU seconds of the process, the least of some rounds.
import {
  aggregateOf,
  type Change,
  count,
  hopping,
  SessionStore,
  session,
  sum,
  tumbling,
  type Window,
  WindowStore,
} from '@millrace/streams';
import { createRandom } from '../test/support/random.ts';

const EVENTS = 2_000_000;
const CARDS = 10_000;
const EVENTS_PER_COMMIT = 13_000;
const STEP_MS = 5;
const LATE_MS_MAX = 5_000;
const GRACE_MS = 10_000;
const START_MS = 1_700_000_000_000;
const ROUNDS = 3;

interface Store {
  advance(streamTimeMs: number): void;
  close(
    streamTimeMs: number,
    onClosed: (key: string, window: Window, result: { readonly count: number }) => void,
  ): void;
  add(key: string, timestampMs: number, value: number): 'added' | 'late';
  drainChanges(): Change[];
}

interface Event {
  readonly key: string;
  readonly atMs: number;
}

const createAggregation = () => aggregateOf({ count: count(), sum: sum((amount: number) => amount) });
const limits = { graceMs: GRACE_MS, keysMax: CARDS };
const STORES: Readonly<Record<string, () => Store>> = {
  'tumbling 1 min': () =>
    new WindowStore('bench', { windows: tumbling({ sizeMs: 60_000 }), aggregation: createAggregation(), ...limits }),
  'hopping 10 min by 1 min': () =>
    new WindowStore('bench', {
      windows: hopping({ sizeMs: 600_000, advanceMs: 60_000 }),
      aggregation: createAggregation(),
      ...limits,
    }),
  'session, gap 1 min': () =>
    new SessionStore('bench', {
      windows: session({ gapMs: 60_000, lengthMsMax: 3_600_000 }),
      aggregation: createAggregation(),
      ...limits,
      sessionsPerKeyMax: 10,
    }),
};

const events = createEvents();
const mapMicros = least(() => lookUp(events));
const results: Record<string, Record<string, number>> = {};
for (const [name, create] of Object.entries(STORES)) {
  let closed = 0;
  let changes = 0;
  const micros = least(() => {
    ({ closed, changes } = run(create(), events));
  });
  results[name] = { microsPerEvent: round(micros), aboveMapMicros: round(micros - mapMicros), closed, changes };
}
console.log(`look-up in a Map: ${round(mapMicros)} µs an event`);
console.table(results);
console.log(JSON.stringify({ events: EVENTS, mapMicros: round(mapMicros), ...results }));

function run(store: Store, list: readonly Event[]): { closed: number; changes: number } {
  let streamTimeMs = Number.NEGATIVE_INFINITY;
  let [closed, changes, inWindows] = [0, 0, 0];
  const onClosed = (_key: string, _window: Window, result: { readonly count: number }) => {
    closed += 1;
    inWindows += result.count;
  };
  list.forEach(({ key, atMs }, i) => {
    if (atMs > streamTimeMs) {
      streamTimeMs = atMs;
      store.advance(atMs);
      store.close(atMs, onClosed);
    }
    store.add(key, atMs, i % 100);
    if (i % EVENTS_PER_COMMIT === 0) changes += store.drainChanges().length;
  });
  if (inWindows < EVENTS / 2) throw new Error(`only ${inWindows} events in windows that have closed`);
  return { closed, changes };
}

function lookUp(list: readonly Event[]): void {
  const seen = new Map<string, { count: number }>();
  for (const { key } of list) {
    const entry = seen.get(key);
    if (entry === undefined) seen.set(key, { count: 1 });
    else entry.count += 1;
  }
}

/** The least CPU time of some rounds, in microseconds per event. */
function least(work: () => void): number {
  const micros = Array.from({ length: ROUNDS }, () => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / EVENTS;
  });
  return Math.min(...micros);
}

function round(micros: number): number {
  return Math.round(micros * 1_000) / 1_000;
}

function createEvents(): Event[] {
  const random = createRandom(42);
  const shares = Array.from({ length: CARDS }, (_, i) => 1 / (i + 1));
  const ends: number[] = [];
  let total = 0;
  for (const share of shares) {
    total += share;
    ends.push(total);
  }
  const cardOf = (at: number): number => {
    let [low, high] = [0, CARDS - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ends[middle] as number) < at) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const cards = shares.map((_, i) => `card-${String(i + 1).padStart(5, '0')}`);
  return Array.from({ length: EVENTS }, (_, i) => ({
    key: cards[cardOf(random() * total)] as string,
    atMs: START_MS + i * STEP_MS - Math.floor(random() * LATE_MS_MAX),
  }));
}
