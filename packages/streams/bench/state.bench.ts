/**
 * A million cards with ten windowed features each: the memory they take, and the restore from their changelog. Prints a
 * table, and JSON as the last line; exits with 1 when a process gets larger than `RSS_MIB_MAX`, when the restore takes
 * more than `RESTORE_CPU_S_MAX` of CPU (all threads together), or when a feature is not what it was.
 *
 * One process writes: it feeds the store event by event in commits as a task does, answers the features of all cards,
 * and compares those of some with a look through all events of the card. Its changelog goes to a file as Kafka would
 * hold it: compacted but for the last third of the records, which are out of date. A second process restores from that
 * file and answers the same features. Its CPU is for decoding keys and values; what fetching and taking apart Kafka's
 * batches costs comes on top (docs/performance.md). The peak of each process counts, with all of Node in it.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SlidingWindowStore } from '@millrace/streams';

const CARDS = Number(process.argv.find((argument) => /^\d+$/.test(argument)) ?? 1_000_000);
const RSS_MIB_MAX = 1_536;
const RESTORE_CPU_S_MAX = 30;

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const NOW_MS = 1_772_366_400_000;
/** In every round each card has an event, one card in a hundred eight of them. So long ago the rounds were. */
const ROUNDS_AGO_MS = [29 * DAY_MS, 20 * DAY_MS, 10 * DAY_MS, 6 * DAY_MS, 2 * DAY_MS, 20 * HOUR_MS].concat([
  5 * HOUR_MS,
  50 * MINUTE_MS,
  8 * MINUTE_MS,
  40 * SECOND_MS,
]);
const ROUND_MS = 20 * SECOND_MS;
const HOT_ONE_IN = 100;
const HOT_EVENTS = 8;
/** What a chunk of the changelog holds; see docs in src/stores/event-chunk.ts. */
const CHUNK_EVENTS = 8;
const EVENTS_PER_COMMIT = 2_000;
const CHECKED_ONE_IN = 9_973;
const FILE_BUFFER_BYTES = 1 << 20;

type Store = SlidingWindowStore<'amount' | 'counterparty' | 'country'>;
interface Event {
  readonly atMs: number;
  readonly amount: number;
  readonly counterparty: number;
  readonly country: number;
}

const FEATURES = [
  { name: 'count, 1 min', of: (events: readonly Event[]) => since(events, MINUTE_MS).length },
  { name: 'count, 10 min', of: (events: readonly Event[]) => since(events, 10 * MINUTE_MS).length },
  { name: 'count, 1 h', of: (events: readonly Event[]) => since(events, HOUR_MS).length },
  { name: 'sum of amounts, 24 h', of: (events: readonly Event[]) => sum(amounts(since(events, DAY_MS))) },
  { name: 'mean amount, 7 d', of: (events: readonly Event[]) => mean(amounts(since(events, 7 * DAY_MS))) },
  { name: 'mean amount, 30 d', of: (events: readonly Event[]) => mean(amounts(since(events, 30 * DAY_MS))) },
  {
    name: 'deviation of amounts, 30 d',
    of: (events: readonly Event[]) => deviation(amounts(since(events, 30 * DAY_MS))),
  },
  { name: 'smallest amount, 24 h', of: (events: readonly Event[]) => Math.min(...amounts(since(events, DAY_MS))) },
  { name: 'largest amount, 30 d', of: (events: readonly Event[]) => Math.max(...amounts(since(events, 30 * DAY_MS))) },
  {
    name: 'counterparties, 24 h',
    of: (events: readonly Event[]) => new Set(since(events, DAY_MS).map(({ counterparty }) => counterparty)).size,
  },
];

const [role, file = ''] = process.argv.slice(2).filter((argument) => !/^\d+$/.test(argument));
if (role === 'write') write(file);
else if (role === 'restore') restore(file);
else run();

interface Report {
  readonly rssMiB: number;
  readonly cpuS: number;
  readonly storeMiB: number;
  readonly heapMiB: number;
  readonly cards: number;
  readonly records: number;
  readonly changelogMiB: number;
  readonly questionUs: number;
  /** Of all features of all cards. */
  readonly digest: string;
}

function run(): void {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-state-'));
  try {
    const changelog = join(folder, 'changelog');
    const written = runIn('write', changelog);
    const restored = runIn('restore', changelog);
    const ok =
      written.digest === restored.digest &&
      Math.max(written.rssMiB, restored.rssMiB) <= RSS_MIB_MAX &&
      restored.cpuS <= RESTORE_CPU_S_MAX;
    const row = (name: string, { rssMiB, storeMiB, heapMiB, cpuS, questionUs }: Report) =>
      `  ${name.padEnd(10)} ${[rssMiB, storeMiB, heapMiB, cpuS, questionUs].map((n) => n.toFixed(1).padStart(12)).join('')}`;
    console.log(`${CARDS} cards, ${FEATURES.length} features each (${FEATURES.map(({ name }) => name).join('; ')})`);
    console.log(`changelog: ${written.records} records, ${written.changelogMiB.toFixed(0)} MiB`);
    console.log(
      `  ${''.padEnd(10)}${['peak RSS MiB', 'events MiB', 'heap MiB', 'CPU s', 'us/features']
        .map((s) => s.padStart(13))
        .join('')
        .slice(1)}`,
    );
    console.log(row('written', written));
    console.log(row('restored', restored));
    console.log(
      `  ${((restored.rssMiB * 2 ** 20) / CARDS).toFixed(0)} bytes of memory per card; ${(restored.records / restored.cpuS).toFixed(0)} records restored per CPU second; features ${written.digest === restored.digest ? 'the same' : 'DIFFER'} after the restore`,
    );
    if (!ok)
      console.log(`  OVER A LIMIT: ${RSS_MIB_MAX} MiB, ${RESTORE_CPU_S_MAX} s of CPU for the restore, equal features`);
    console.log(JSON.stringify({ benchmark: 'state', ok, cards: CARDS, written, restored }));
    process.exitCode = ok ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runIn(role: 'write' | 'restore', changelog: string): Report {
  const { status, stdout } = spawnSync(process.execPath, [import.meta.filename, role, changelog, String(CARDS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${role} ended with ${status}`);
  return JSON.parse(stdout) as Report;
}

function write(file: string): void {
  const store = createStore();
  const out = openSync(file, 'w');
  const startedAt = process.cpuUsage();
  let records = 0;
  for (const [round, agoMs] of ROUNDS_AGO_MS.entries()) {
    // What compaction has not come to yet: the round before the last has been overtaken by the last.
    const isKept = round % CHUNK_EVENTS === CHUNK_EVENTS - 1 || round >= ROUNDS_AGO_MS.length - 2;
    for (let card = 0, added = 0; card < CARDS; card++) {
      const key = keyOf(card);
      for (let i = 0; i < eventsPerRound(card); i++) {
        const { atMs, ...fields } = eventOf(card, agoMs, i);
        store.advance(NOW_MS - agoMs);
        store.window(key).add(atMs, fields);
      }
      if (++added % EVENTS_PER_COMMIT > 0 && card < CARDS - 1) continue;
      const changes = store.drainChanges().filter(({ key }) => isKept || isHot(key));
      records += changes.length;
      writeRecords(out, changes as { key: string; value: Buffer }[]);
    }
  }
  for (let card = 0; card < CARDS; card += CHECKED_ONE_IN) checkFeatures(store, card);
  const cpuS = cpuSince(startedAt);
  const changelogMiB = fstatSync(out).size / 2 ** 20;
  closeSync(out);
  report(store, { cpuS, records, changelogMiB });
}

function restore(file: string): void {
  const store = createStore();
  const startedAt = process.cpuUsage();
  const input = openSync(file, 'r');
  let records = 0;
  let rest: Buffer = Buffer.alloc(0);
  for (;;) {
    // A new buffer each time, as a fetch gives one: values are parts of it.
    const buffer = Buffer.allocUnsafe(rest.length + FILE_BUFFER_BYTES);
    rest.copy(buffer);
    const length = readSync(input, buffer, rest.length, FILE_BUFFER_BYTES, null);
    if (length === 0) break;
    const end = rest.length + length;
    let at = 0;
    while (at + 8 <= end) {
      const keyBytes = buffer.readUInt32LE(at);
      const valueBytes = buffer.readUInt32LE(at + 4);
      const next = at + 8 + keyBytes + valueBytes;
      if (next > end) break;
      const key = buffer.subarray(at + 8, at + 8 + keyBytes);
      store.restore(key.toString('utf8'), buffer.subarray(at + 8 + keyBytes, next));
      records += 1;
      at = next;
    }
    rest = buffer.subarray(at, end);
  }
  store.advance(NOW_MS);
  const cpuS = cpuSince(startedAt);
  const changelogMiB = fstatSync(input).size / 2 ** 20;
  closeSync(input);
  report(store, { cpuS, records, changelogMiB });
}

function report(store: Store, measured: Pick<Report, 'cpuS' | 'records' | 'changelogMiB'>): void {
  const startedAt = process.cpuUsage();
  const digest = digestOfFeatures(store);
  const questionUs = (cpuSince(startedAt) * 1e6) / CARDS;
  const rssMiB = process.resourceUsage().maxRSS / 1024;
  const heapMiB = process.memoryUsage().heapUsed / 2 ** 20;
  const storeMiB = store.bytes / 2 ** 20;
  const all: Report = { ...measured, rssMiB, heapMiB, storeMiB, cards: store.size, questionUs, digest };
  process.stdout.write(`${JSON.stringify(all)}\n`);
}

function createStore(): Store {
  return new SlidingWindowStore('cards', {
    fields: ['amount', 'counterparty', 'country'],
    sums: ['amount'],
    windows: [MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS],
    retentionMs: 30 * DAY_MS + HOUR_MS,
    eventsPerKeyMax: 500,
    keysMax: CARDS,
  });
}

/** As many as there are entries in FEATURES, in their order. */
function featuresOf(store: Store, card: number): number[] {
  const view = store.window(keyOf(card));
  return [
    view.count(MINUTE_MS, NOW_MS),
    view.count(10 * MINUTE_MS, NOW_MS),
    view.count(HOUR_MS, NOW_MS),
    view.sum('amount', DAY_MS, NOW_MS),
    view.mean('amount', 7 * DAY_MS, NOW_MS),
    view.mean('amount', 30 * DAY_MS, NOW_MS),
    view.deviation('amount', 30 * DAY_MS, NOW_MS),
    view.min('amount', DAY_MS, NOW_MS),
    view.max('amount', 30 * DAY_MS, NOW_MS),
    view.distinct('counterparty', DAY_MS, NOW_MS),
  ];
}

function checkFeatures(store: Store, card: number): void {
  const events = ROUNDS_AGO_MS.flatMap((agoMs) =>
    Array.from({ length: eventsPerRound(card) }, (_, i) => eventOf(card, agoMs, i)),
  );
  const features = featuresOf(store, card);
  for (const [index, { name, of }] of FEATURES.entries()) {
    const truth = of(events);
    const feature = features[index] ?? Number.NaN;
    if (Math.abs(feature - truth) > 1e-9 * Math.abs(truth))
      throw new Error(`card ${card}, ${name}: ${feature}, not ${truth}`);
  }
}

function digestOfFeatures(store: Store): string {
  const digest = createHash('sha256');
  for (let card = 0; card < CARDS; card++) digest.update(Float64Array.from(featuresOf(store, card)));
  return digest.digest('hex').slice(0, 16);
}

function writeRecords(out: number, changes: readonly { readonly key: string; readonly value: Buffer }[]): void {
  const parts = changes.flatMap(({ key, value }) => {
    const head = Buffer.allocUnsafe(8);
    const keyBytes = Buffer.from(key, 'utf8');
    head.writeUInt32LE(keyBytes.length, 0);
    head.writeUInt32LE(value.length, 4);
    return [head, keyBytes, value];
  });
  writeSync(out, Buffer.concat(parts));
}

/** Like the tokens that stand for card numbers: 24 characters. */
function keyOf(card: number): string {
  return `card_${eventsPerRound(card) > 1 ? 'h' : 'c'}${mixed(card).toString(36).padStart(8, '0')}${card.toString(36).padStart(10, '0')}`;
}

function eventsPerRound(card: number): number {
  return card % HOT_ONE_IN === 0 ? HOT_EVENTS : 1;
}

function isHot(key: string): boolean {
  return key.startsWith('card_h');
}

function eventOf(card: number, agoMs: number, index: number): Event {
  const random = mixed(card * 31 + index * 7 + agoMs / SECOND_MS);
  return {
    atMs: NOW_MS - agoMs + Math.floor((card / CARDS) * ROUND_MS) + index,
    amount: 100 + (random % 50_000),
    counterparty: mixed(random % 2_000) * 2 ** 20 + (random % 7),
    country: random % 40,
  };
}

/** 32 bits that look random (the finalizer of MurmurHash3). */
function mixed(number: number): number {
  let h = number | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function since(events: readonly Event[], windowMs: number): Event[] {
  return events.filter(({ atMs }) => atMs > NOW_MS - windowMs);
}

function amounts(events: readonly Event[]): number[] {
  return events.map(({ amount }) => amount);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(sum(values.map((value) => (value - middle) ** 2)) / (values.length - 1));
}

function cpuSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}
