import { createLogger } from '@millrace/observability';
import { ADDRESS_FLAGS, addressesOf, checkRunning } from './cli/addresses.ts';
import { EXIT_FAILED, runCommand } from './cli/command.ts';
import { connectFleet } from './cli/connect.ts';
import type { Command, Flags } from './cli/flags.ts';
import { createProgress, type Progress } from './cli/progress.ts';
import { formatTable } from './cli/table.ts';
import { untilSettled } from './reconciliation.ts';
import { openRun, type Run } from './run.ts';

/** Live traffic for some minutes, and then the proof that nothing of it was lost. */
const COMMAND = {
  usage: 'npm run simulate -- [--rate N] [--devices N] [--minutes N] [flags]',
  summary: 'Sends live traffic to a running stack for a while, then checks that all of it is stored, once.',
  flags: {
    rate: { kind: 'number', help: 'payments per second', byDefault: 500, min: 0, max: 20_000 },
    devices: { kind: 'number', help: 'devices, each with a reading per second', byDefault: 2_000, min: 0, max: 20_000 },
    minutes: { kind: 'number', help: 'how long', byDefault: 5, min: 0.01, max: 100_000 },
    seed: { kind: 'number', help: 'of the world', byDefault: 1, min: 0, max: 2 ** 32 - 1 },
    ledger: { kind: 'text', help: 'folder of the ledgers', byDefault: '.millrace/ledgers/simulate' },
    json: { kind: 'switch', help: 'print the result as one JSON object in the last line' },
    ...ADDRESS_FLAGS,
  },
  files: { min: 0, max: 0 },
} as const satisfies Command<Flags>;

/** Ingest or the API may be restarting at the end; that is waited for. */
const FINISH_LIMITS = { drainMsMax: 60_000, reportMsMax: 60_000 };
const PROGRESS_MS = 200;
const MINUTE_MS = 60_000;

await runCommand(COMMAND, async ({ values }) => {
  const addresses = addressesOf(values);
  await checkRunning(addresses);
  const stop = new AbortController();
  // Ctrl-C ends the sending; a second one ends the process, as it does by default.
  process.once('SIGINT', () => stop.abort());
  let failure: unknown;
  const run = await openRun({
    addresses,
    seed: values.seed,
    paymentsPerSecond: values.rate,
    devices: values.devices,
    ledgerRoot: values.ledger,
    nowMs: Date.now,
    logger: createLogger({ service: 'simulator', level: 'silent' }),
    onFailure(error) {
      failure ??= error;
      stop.abort();
    },
  });
  const progress = createProgress({ stream: process.stderr, nowMs: () => performance.now() });
  try {
    const { devices } = values;
    await connectFleet(run.fleet, { devices, url: addresses.mqtt, signal: stop.signal, progress });
    await send(run, values.minutes * MINUTE_MS, stop, progress);
    const left = await run.finish(FINISH_LIMITS);
    if (failure !== undefined) throw failure;
    const result = await settle(run, left, progress);
    progress.end();
    print(result, values.json);
    if (!result.ok) process.exitCode = EXIT_FAILED;
  } finally {
    progress.end();
    await run.close();
  }
});

async function send(run: Run, durationMs: number, stop: AbortController, progress: Progress): Promise<void> {
  const startMs = performance.now();
  const timer = setInterval(() => {
    const elapsedMs = performance.now() - startMs;
    const payments = run.session.ledger.counts('payment');
    const readings = run.session.ledger.counts('telemetry');
    const text = `payments ${payments.acknowledged} of ${payments.sent}, readings ${readings.acknowledged} of ${readings.sent} acknowledged`;
    progress.show(elapsedMs / durationMs, text);
    if (elapsedMs >= durationMs) stop.abort();
  }, PROGRESS_MS);
  try {
    await run.send(stop.signal);
  } finally {
    clearInterval(timer);
  }
}

async function settle(run: Run, left: number, progress: Progress) {
  const of = async (kind: 'payments' | 'telemetry') => {
    const { sent, acknowledged, refused } = run.session.ledger.counts(kind === 'payments' ? 'payment' : 'telemetry');
    const counts = await untilSettled({
      api: run.session.api,
      sender: run.session.sender,
      kind,
      accepted: acknowledged,
      signal: new AbortController().signal,
      onProgress: ({ stored }) =>
        progress.show(acknowledged === 0 ? 1 : stored / acknowledged, `${kind} stored: ${stored}`),
    });
    const { raw, enriched, decided, stored, missing: lost, duplicated: twice } = counts;
    return { sent, acknowledged, refused, raw, enriched, decided, stored, lost, twice };
  };
  const payments = await of('payments');
  const telemetry = await of('telemetry');
  const { duplicates, malformed, malformedAccepted } = run.traffic.counts();
  const unacknowledged = left;
  const ok = [payments, telemetry].every(({ lost, twice }) => lost === 0 && twice === 0);
  const reasons = Object.fromEntries(run.session.ledger.reasons());
  return {
    ok,
    sender: run.session.sender,
    payments,
    telemetry,
    unacknowledged,
    duplicates,
    malformed,
    malformedAccepted,
    reasons,
  };
}

function print(result: Awaited<ReturnType<typeof settle>>, asJson: boolean): void {
  const { ok, payments, telemetry } = result;
  const hops = Object.keys(payments) as (keyof typeof payments)[];
  const rows = hops.map((hop) => [hop, payments[hop], telemetry[hop]]);
  console.log(formatTable([[result.sender, 'payments', 'readings'], ...rows]));
  console.log(`${result.duplicates} were sent twice on purpose, and ${result.malformed} malformed messages besides.`);
  if (result.malformedAccepted > 0) console.log(`${result.malformedAccepted} malformed payments were accepted!`);
  for (const [reason, count] of Object.entries(result.reasons)) console.log(`refused: ${reason}: ${count}`);
  if (result.unacknowledged > 0)
    console.log(`${result.unacknowledged} were never acknowledged; whether they count is open.`);
  console.log(ok ? 'Everything acknowledged is stored, once.' : 'Not everything acknowledged is stored once.');
  if (asJson) console.log(JSON.stringify(result));
}
