/** One line of the harness. */
export interface Run {
  readonly kind: 'throughput' | 'latency';
  readonly engine: string;
  readonly job: 'w1' | 'w2';
  readonly ok?: boolean;
  readonly events?: number;
  readonly events_per_s?: number;
  readonly wall_s?: number;
  readonly startup_s?: number;
  readonly cpu_s_per_M?: number;
  readonly broker_cpu_s?: number;
  readonly peak_rss_MiB?: number;
  readonly check?: Check | string;
  readonly p50_ms?: number;
  readonly p99_ms?: number;
  readonly max_ms?: number;
  readonly cpu_cores_used?: number;
  readonly expected?: number;
  readonly received?: number;
  readonly duplicates?: number;
  /** A line of the engine's log, when it did not get to the end. */
  readonly log?: string;
}

interface Check {
  readonly expected: number;
  readonly match: number;
  readonly wrong: number;
  readonly missing: number;
  readonly extra: number;
  readonly duplicates: number;
}

export interface Ratio {
  readonly engine: string;
  readonly what: string;
  readonly value: number;
  readonly peer: string;
  readonly peerValue: number;
  /** Of ours to the peer's. */
  readonly ratio: number;
  /** `>= 2.5` and so on. */
  readonly reach: string;
  readonly reached: boolean;
}

const OURS = 'millrace';
export const isOurs = (engine: string): boolean => engine.split('+', 1)[0] === OURS;

/** Whether what a run wrote is what the checker says it should have written, no row missing, wrong, extra or twice. */
export function isExact(run: Run): boolean {
  if (run.kind === 'latency') return run.received === run.expected && run.duplicates === 0;
  if (run.ok !== true || typeof run.check !== 'object') return false;
  const { expected, match, wrong, missing, extra, duplicates } = run.check;
  return match === expected && wrong + missing + extra + duplicates === 0;
}

/** The tables of the peers' README: medians, and in brackets the least and the most where there were several runs. */
export function tables(runs: readonly Run[]): string {
  const throughput = (job: string) =>
    table(
      [
        'engine',
        'runs',
        'events/s after start-up',
        'wall s',
        'start-up s',
        'engine CPU s per M',
        'broker CPU s per M',
        'peak RSS MiB',
        'match / missing / wrong or extra / twice',
      ],
      byEngine(runs, 'throughput', job).map(([engine, of]) => [
        engine,
        String(of.length),
        spread(of, 'events_per_s', 0),
        spread(of, 'wall_s', 1),
        spread(of, 'startup_s', 1),
        spread(of, 'cpu_s_per_M', 2),
        spreadOf(
          of.map(({ broker_cpu_s: cpu, events }) => (cpu === undefined || !events ? undefined : (cpu / events) * 1e6)),
          2,
        ),
        spread(of, 'peak_rss_MiB', 0),
        [...new Set(of.map(rows))].join(' ; '),
      ]),
    );
  const latency = table(
    ['engine', 'runs', 'p50 ms', 'p99 ms', 'max ms', 'engine cores', 'peak RSS MiB', 'received / expected (twice)'],
    byEngine(runs, 'latency', 'w2').map(([engine, of]) => [
      engine,
      String(of.length),
      spread(of, 'p50_ms', 1),
      spread(of, 'p99_ms', 1),
      spread(of, 'max_ms', 1),
      spread(of, 'cpu_cores_used', 2),
      spread(of, 'peak_rss_MiB', 0),
      [...new Set(of.map(({ received, expected, duplicates }) => `${received} / ${expected} (${duplicates})`))].join(
        ' ; ',
      ),
    ]),
  );
  return [
    ...(['w1', 'w2'] as const).flatMap((job) =>
      runs.some((run) => run.kind === 'throughput' && run.job === job)
        ? [`### ${job.toUpperCase()}\n\n${throughput(job)}`]
        : [],
    ),
    ...(runs.some(({ kind }) => kind === 'latency') ? [`### W2 latency at 5,000 events/s\n\n${latency}`] : []),
  ].join('\n\n');
}

/** What is to be reached beside the peers, for each of our engines, as far as both have been run. */
export function ratios(runs: readonly Run[]): Ratio[] {
  const found: Ratio[] = [];
  const compare = (
    kind: Run['kind'],
    job: string,
    key: NumberKey,
    what: string,
    peer: string,
    factor: number,
    atLeast: boolean,
  ) => {
    const engines = byEngine(runs, kind, job);
    const peers = engines.filter(([engine]) => engine.split('+', 1)[0] === peer);
    for (const [engine, of] of engines.filter(([name]) => isOurs(name))) {
      for (const [peerName, peerRuns] of peers) {
        const value = median(numbersOf(of, key));
        const peerValue = median(numbersOf(peerRuns, key));
        if (value === undefined || peerValue === undefined) continue;
        const ratio = value / peerValue;
        const reach = `${atLeast ? '>=' : '<='} ${factor}`;
        found.push({
          engine,
          what,
          value,
          peer: peerName,
          peerValue,
          ratio,
          reach,
          reached: atLeast ? ratio >= factor : ratio <= factor,
        });
      }
    }
  };
  const within = (job: string, mib: number) => {
    for (const [engine, of] of byEngine(runs, 'throughput', job).filter(([name]) => isOurs(name))) {
      const value = median(numbersOf(of, 'peak_rss_MiB'));
      if (value === undefined) continue;
      const what = `${job.toUpperCase()} peak RSS MiB`;
      found.push({
        engine,
        what,
        value,
        peer: 'limit',
        peerValue: mib,
        ratio: value / mib,
        reach: '<= 1',
        reached: value <= mib,
      });
    }
  };
  compare('throughput', 'w1', 'events_per_s', 'W1 events/s', 'flink', 2.5, true);
  compare('throughput', 'w1', 'cpu_s_per_M', 'W1 CPU s per M', 'flink', 0.4, false);
  within('w1', 450);
  compare('throughput', 'w2', 'events_per_s', 'W2 events/s', 'kstreams', 1, true);
  compare('throughput', 'w2', 'cpu_s_per_M', 'W2 CPU s per M', 'kstreams', 0.8, false);
  within('w2', 400);
  compare('latency', 'w2', 'p50_ms', 'W2 p50 ms', 'kstreams', 0.5, false);
  compare('latency', 'w2', 'p99_ms', 'W2 p99 ms', 'kstreams', 0.5, false);
  return found;
}

export function ratioTable(found: readonly Ratio[]): string {
  return table(
    ['what', 'engine', 'ours', 'beside', 'theirs', 'ratio', 'reach', 'reached'],
    found.map(({ what, engine, value, peer, peerValue, ratio, reach, reached }) => [
      what,
      engine,
      format(value, value < 100 ? 2 : 0),
      peer,
      format(peerValue, peerValue < 100 ? 2 : 0),
      ratio.toFixed(2),
      reach,
      reached ? 'yes' : 'NO',
    ]),
  );
}

type NumberKey =
  | 'events_per_s'
  | 'wall_s'
  | 'startup_s'
  | 'cpu_s_per_M'
  | 'peak_rss_MiB'
  | 'p50_ms'
  | 'p99_ms'
  | 'max_ms'
  | 'cpu_cores_used';

const byEngine = (runs: readonly Run[], kind: Run['kind'], job: string): [string, Run[]][] => [
  ...Map.groupBy(
    runs.filter((run) => run.kind === kind && run.job === job),
    ({ engine }) => engine,
  ),
];

const numbersOf = (runs: readonly Run[], key: NumberKey): number[] =>
  runs.flatMap((run) => (typeof run[key] === 'number' ? [run[key]] : []));

export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  const lower = sorted[middle - 1];
  return sorted.length % 2 === 0 && upper !== undefined && lower !== undefined ? (lower + upper) / 2 : upper;
}

const spread = (runs: readonly Run[], key: NumberKey, digits: number): string => spreadOf(numbersOf(runs, key), digits);

function spreadOf(values: readonly (number | undefined)[], digits: number): string {
  const numbers = values.filter((value) => value !== undefined);
  const middle = median(numbers);
  if (middle === undefined) return '-';
  if (numbers.length === 1) return format(middle, digits);
  return `${format(middle, digits)} (${format(Math.min(...numbers), digits)} to ${format(Math.max(...numbers), digits)})`;
}

const format = (value: number, digits: number): string =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

function rows(run: Run): string {
  if (run.ok !== true) return 'did not get to the end';
  if (typeof run.check !== 'object') return `not checked: ${run.check}`;
  const { match, missing, wrong, extra, duplicates } = run.check;
  return [match, missing, wrong + extra, duplicates].map((count) => format(count, 0)).join(' / ');
}

const table = (head: readonly string[], lines: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
