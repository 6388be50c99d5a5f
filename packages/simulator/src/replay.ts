import { createLogger } from '@millrace/observability';
import { ADDRESS_FLAGS, addressesOf, checkRunning } from './cli/addresses.ts';
import { EXIT_FAILED, runCommand } from './cli/command.ts';
import { connectFleet } from './cli/connect.ts';
import type { Command, Flags } from './cli/flags.ts';
import { createProgress, type Progress } from './cli/progress.ts';
import { SimulatorError } from './errors.ts';
import { createRandom } from './random.ts';
import { recognise } from './replay/columns.ts';
import { openCsv } from './replay/csv-file.ts';
import { type Replayed, type ReplayOptions, replayPayments } from './replay/replay-payments.ts';
import { deviceIdOf, replayTelemetry, spanOf, timesFor } from './replay/replay-telemetry.ts';
import { printReplay, settleReplay } from './replay/result.ts';
import type { FileKind } from './replay/rows.ts';
import { createDeviceFleet } from './send/device-fleet.ts';
import { openSession } from './session.ts';

/** A file goes through the pipeline, and what went in is compared with what came out. */
const COMMAND = {
  usage: 'npm run replay -- FILE [--limit N] [--speed max|1|60] [flags]',
  summary: [
    'Sends a CSV file (.csv or .csv.gz) through a running stack, then checks that every row is stored and decided once.',
    'Payments go through POST /v1/batches. A file with the columns timestamp, value goes through MQTT as one device, its',
    'times shifted so that the last is now (and shortened to 29 days if it is longer); --original-times keeps them, and',
    'sends through POST /v1/batches.',
  ].join('\n'),
  flags: {
    limit: { kind: 'number', help: 'rows; all of them without it', min: 1, max: Number.MAX_SAFE_INTEGER },
    speed: { kind: 'text', help: 'max, or how many times faster than it happened', byDefault: 'max' },
    labels: { kind: 'switch', help: 'send what the file labels as fraud as labels, too' },
    'original-times': { kind: 'switch', help: 'readings with the times of the file, not over MQTT' },
    ledger: { kind: 'text', help: 'folder of the ledgers', byDefault: '.millrace/ledgers/replay' },
    json: { kind: 'switch', help: 'print the result as one JSON object in the last line' },
    ...ADDRESS_FLAGS,
  },
  files: { min: 1, max: 1 },
} as const satisfies Command<Flags>;

/** The API may be restarting at the end; that is waited for. */
const REPORT_MS_MAX = 120_000;
const DRAIN_MS_MAX = 60_000;

await runCommand(COMMAND, async ({ values, files: [path = ''] }) => {
  const speed = speedOf(values.speed);
  const limit = values.limit ?? Number.POSITIVE_INFINITY;
  const file = await openCsv(path);
  const kind = recognise(path, file.columns);
  const addresses = addressesOf(values);
  await checkRunning(addresses);
  const stop = new AbortController();
  // Ctrl-C ends the sending; a second one ends the process, as it does by default.
  process.once('SIGINT', () => stop.abort());
  let failure: unknown;
  const session = await openSession({
    addresses,
    name: 'replay',
    ledgerRoot: values.ledger,
    nowMs: Date.now,
    logger: createLogger({ service: 'replay', level: 'silent' }),
    onFailure(error) {
      failure ??= error;
      stop.abort();
    },
  });
  const progress = createProgress({ stream: process.stderr, nowMs: () => performance.now() });
  const options: ReplayOptions = {
    session,
    rows: file.rows,
    speed,
    limit,
    nowMs: Date.now,
    signal: stop.signal,
    onProgress(rows) {
      const { acknowledged } = session.ledger.counts(kind.kind === 'payments' ? 'payment' : 'telemetry');
      progress.show(Math.max(rows / limit, file.readShare()), `${rows} rows, ${acknowledged} accepted`);
    },
  };
  try {
    const replayed =
      kind.kind === 'payments'
        ? await replayPayments(kind, { ...options, withLabels: values.labels })
        : await sendReadings(kind, {
            ...options,
            path,
            url: addresses.mqtt,
            originalTimes: values['original-times'],
            progress,
          });
    if (failure !== undefined) throw failure;
    const result = await settleReplay(session, replayed, {
      file: path,
      kind: kind.kind,
      nowMs: Date.now,
      reportMsMax: REPORT_MS_MAX,
      onProgress: ({ stored }, accepted) =>
        progress.show(accepted === 0 ? 1 : stored / accepted, `stored ${stored} of ${accepted}`),
    });
    progress.end();
    printReplay(result, values.json);
    if (!result.ok) process.exitCode = EXIT_FAILED;
  } finally {
    progress.end();
    await session.close();
  }
});

/** Over MQTT as one device, or through the batch route when the times of the file are to be kept. */
async function sendReadings(
  kind: Extract<FileKind, { kind: 'telemetry' }>,
  {
    path,
    url,
    originalTimes,
    progress,
    ...options
  }: ReplayOptions & {
    readonly path: string;
    readonly url: string;
    readonly originalTimes: boolean;
    readonly progress: Progress;
  },
): Promise<Replayed> {
  const deviceId = deviceIdOf(path);
  if (originalTimes) return replayTelemetry(kind, { ...options, deviceId, route: { kind: 'batch' } });
  // The times depend on the last one, so the file is read twice.
  const span = await spanOf(kind, (await openCsv(path)).rows);
  const fleet = createDeviceFleet({
    url,
    deviceIds: [deviceId],
    random: createRandom(0, 'replay'),
    nowMs: options.nowMs,
  });
  try {
    await connectFleet(fleet, { devices: 1, url, signal: options.signal, progress });
    const eventMs = timesFor(span, { speed: options.speed, nowMs: options.nowMs() });
    const replayed = await replayTelemetry(kind, { ...options, deviceId, route: { kind: 'mqtt', fleet, eventMs } });
    await fleet.drain(DRAIN_MS_MAX);
    return replayed;
  } finally {
    await fleet.close();
  }
}

/** @throws {SimulatorError} `usage` */
function speedOf(text: string): number {
  if (text === 'max') return Number.POSITIVE_INFINITY;
  const speed = Number(text);
  if (text.trim() !== '' && speed > 0 && Number.isFinite(speed)) return speed;
  throw new SimulatorError('usage', `--speed ${text}: it takes max, or a number such as 1 or 60.`);
}
