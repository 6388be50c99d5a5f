// npm run test:acknowledgements -- [--kills N] [--seed N] [--json]    see README.md
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type DrillResult, drill } from './drill.ts';
import type { Verdict } from './verify.ts';

const USAGE = `usage: npm run test:acknowledgements -- [--kills N] [--seed N] [--json]
  --kills N    how often ingest is killed with -9, 3 to 1,000; 20 when it is left out, which takes about two minutes
  --seed N     kill after the same times as the drill with this seed did
  --json       the result as one JSON object in the last line`;

const flags = readFlags(process.argv.slice(2));
if (flags === undefined) {
  process.exitCode = 2;
} else {
  const startedMs = performance.now();
  const say = (line: string) =>
    console.log(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(7)} s  ${line}`);
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-acknowledgements-'));
  const ok = await drill({ ...flags, dataDir, say }).then(
    (result) => {
      print(result, flags.json);
      return result.ok;
    },
    (error: unknown) => {
      console.error(error);
      return false;
    },
  );
  if (ok) {
    await rm(dataDir, { recursive: true, force: true });
  } else {
    console.error(`seed ${flags.seed}; logs and data of this drill are kept in ${dataDir}`);
    process.exitCode = 1;
  }
}

/** Undefined after a wrong flag, which has then been explained. */
function readFlags(args: string[]): { kills: number; seed: number; json: boolean } | undefined {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({ args, options: { kills: text, seed: text, json: { type: 'boolean' } } });
    return {
      kills: whole('--kills', values.kills ?? '20', 3, 1_000),
      seed: whole('--seed', values.seed ?? String(Date.now() % 1_000_000), 0, 2 ** 32 - 1),
      json: values.json ?? false,
    };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    return undefined;
  }
}

function whole(flag: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new TypeError(`${flag} takes a whole number from ${min} to ${max}, not "${text}"`);
}

function print(result: DrillResult, json: boolean): void {
  const row = (kind: string, { sent, acknowledged, kept, keptUnsaid, repeats }: Verdict) =>
    console.log(
      `${kind}: ${sent} sent, ${acknowledged} acknowledged, ${kept} kept (${keptUnsaid} of them unsaid), ${repeats} repeats`,
    );
  row('payments', result.payments);
  row('readings', result.readings);
  console.log(
    `${result.kills} kills, ${result.brokerRestarts} restarts of Kafka, ingest at most ${result.rssMibPeak} MiB`,
  );
  for (const problem of result.problems) console.error(`FAILED  ${problem}`);
  if (result.ok) console.log('everything that was acknowledged is kept, in the order of its senders');
  if (json) console.log(JSON.stringify(result));
}
