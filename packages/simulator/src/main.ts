import { createLogger, runService } from '@millrace/observability';
import { ADDRESS_FLAGS, addressesOf } from './cli/addresses.ts';
import { runCommand } from './cli/command.ts';
import type { Command, Flags } from './cli/flags.ts';
import { reportEarlierRuns } from './ledger/earlier-runs.ts';
import { openRun, type Run } from './run.ts';
import { createHttpClient } from './send/http-client.ts';

/** Endless live traffic, as `npm start` runs it. */
const COMMAND = {
  usage: 'node packages/simulator/src/main.ts --ledger DIR [flags]',
  summary: 'Sends live traffic until it is told to stop (SIGTERM). Everything is repeated until it is acknowledged.',
  flags: {
    rate: { kind: 'number', help: 'payments per second', byDefault: 50, min: 0, max: 20_000 },
    devices: { kind: 'number', help: 'devices, each with a reading per second', byDefault: 200, min: 0, max: 20_000 },
    seed: { kind: 'number', help: 'of the world', byDefault: 1, min: 0, max: 2 ** 32 - 1 },
    ledger: {
      kind: 'text',
      help: 'folder of the ledgers; of one process at a time',
      byDefault: '.millrace/ledgers/live',
    },
    ...ADDRESS_FLAGS,
  },
  files: { min: 0, max: 0 },
} as const satisfies Command<Flags>;

const SUMMARY_MS = 60_000;
/** Together under 3 s. */
const CLOSE_LIMITS = { drainMsMax: 1_500, reportMsMax: 800 };

await runCommand(COMMAND, async ({ values }) => {
  const addresses = addressesOf(values);
  runService({
    name: 'simulator',
    async start({ onClose, signal, fail }) {
      const logger = createLogger({ service: 'simulator' });
      const run = await openRun({
        addresses,
        seed: values.seed,
        paymentsPerSecond: values.rate,
        devices: values.devices,
        ledgerRoot: values.ledger,
        nowMs: Date.now,
        logger,
        onFailure: fail,
      });
      onClose('run', async () => {
        const left = await run.finish(CLOSE_LIMITS);
        await run.close();
        logger.info(
          { ...summary(run), left },
          left === 0 ? 'everything is acknowledged' : 'stopped before everything was acknowledged',
        );
      });
      const summaries = setInterval(() => logger.info(summary(run), 'sending'), SUMMARY_MS);
      onClose('summaries', () => clearInterval(summaries));

      const earlier = createHttpClient({ url: addresses.api, connections: 1, signal });
      reportEarlierRuns(values.ledger, run.session.sender, earlier).catch((error: unknown) => {
        if (!signal.aborted) fail(error);
      });
      run
        .connect(signal)
        .then(() => run.send(signal))
        .catch(fail);
    },
  });
});

function summary({ session: { sender, ledger }, fleet, traffic }: Run) {
  return {
    sender,
    payments: ledger.counts('payment'),
    telemetry: ledger.counts('telemetry'),
    connected: fleet.connected,
    ...traffic.counts(),
  };
}
