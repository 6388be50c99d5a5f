// npm run test:acknowledgements -- [--kills N] [--seed N] [--json]    see README.md
import { parseArgs } from 'node:util';
import { runDrill, SEED_MAX, wholeNumber } from '@millrace/test-platform';
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
  await runDrill(
    'acknowledgements',
    flags.seed,
    (place) => drill({ ...flags, ...place }),
    (result) => print(result, flags.json),
  );
}

/** Undefined after a wrong flag, which has then been explained. */
function readFlags(args: string[]): { kills: number; seed: number; json: boolean } | undefined {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({ args, options: { kills: text, seed: text, json: { type: 'boolean' } } });
    return {
      kills: wholeNumber('--kills', values.kills ?? '20', 3, 1_000),
      seed: wholeNumber('--seed', values.seed ?? String(Date.now() % 1_000_000), 0, SEED_MAX),
      json: values.json ?? false,
    };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    return undefined;
  }
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
