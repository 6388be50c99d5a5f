import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@millrace/observability';
import type { Addresses } from './cli/addresses.ts';
import { type Ledger, openLedger } from './ledger/ledger.ts';
import { LedgerReporter } from './ledger/reporter.ts';
import { createRandom } from './random.ts';
import { createDeviceFleet, type DeviceFleet } from './send/device-fleet.ts';
import { createHttpClient, type HttpClient } from './send/http-client.ts';
import { createTraffic, type Traffic } from './traffic.ts';
import { createWorld } from './world/world.ts';

export interface RunOptions {
  readonly addresses: Addresses;
  readonly seed: number;
  readonly paymentsPerSecond: number;
  readonly devices: number;
  /** Folder of the ledgers; the run makes its own in it. */
  readonly ledgerRoot: string;
  readonly nowMs: () => number;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** What ends the run from inside: a refused request, a full disk. */
  readonly onFailure: (error: unknown) => void;
}

/** Everything of one run of live traffic, put together. */
export interface Run {
  /** Name of the run, of its ledger and of its sender at the API. */
  readonly sender: string;
  readonly ledger: Ledger;
  readonly reporter: LedgerReporter;
  readonly api: HttpClient;
  readonly fleet: DeviceFleet;
  readonly traffic: Traffic;
  /** Connects the devices; returns when all are, or the signal is aborted. */
  connect(signal: AbortSignal): Promise<void>;
  /** Sends until the signal is aborted. @throws {SimulatorError} what a sender cannot go on from. */
  send(signal: AbortSignal): Promise<void>;
  /**
   * After `send` has returned: waits for acknowledgements, writes the ledger, and reports it as far as `reportMsMax`
   * allows; what is left over is reported by the next run. Returns how many events are not acknowledged.
   */
  finish(limits: { readonly drainMsMax: number; readonly reportMsMax: number }): Promise<number>;
  close(): Promise<void>;
}

/** Each of 400 people per payment and second pays every seven minutes on average. Busier than life, but not absurd. */
const SHOPPERS_PER_PAYMENT_RATE = 400;
const SHOPPERS = { min: 2_000, max: 100_000 };
const SHOPPERS_PER_MERCHANT = 50;
const MERCHANTS_MIN = 60;
const HTTP_CONNECTIONS = 12;
/** Beyond this the API has been away for hours, and nothing is sent before it has caught up. */
const UNREPORTED_BYTES_MAX = 1024 * 1024 * 1024;
const REPORT_POLL_MS = 20;

export async function openRun(options: RunOptions): Promise<Run> {
  const { addresses, logger, nowMs } = options;
  const startMs = nowMs();
  // Base 36 of the milliseconds: short, and later runs sort behind earlier ones.
  const sender = `simulator-${startMs.toString(36)}`;
  const stopping = new AbortController();
  const shoppers = clamp(Math.round(options.paymentsPerSecond * SHOPPERS_PER_PAYMENT_RATE), SHOPPERS.min, SHOPPERS.max);
  const world = createWorld({
    seed: options.seed,
    startMs,
    runId: startMs.toString(36),
    paymentsPerSecond: options.paymentsPerSecond,
    shoppers,
    merchants: Math.max(MERCHANTS_MIN, Math.round(shoppers / SHOPPERS_PER_MERCHANT)),
    devices: options.devices,
  });
  const ledgerDir = join(options.ledgerRoot, sender);
  const ledger = await openLedger({ dir: ledgerDir, nowMs, onFailure: options.onFailure });
  const client = (service: string, url: string, connections: number) =>
    createHttpClient({
      url,
      connections,
      signal: stopping.signal,
      onAvailability(available, reason) {
        if (available) logger.info({ service }, 'answers again');
        else logger.warn({ service, reason }, 'does not answer; sending again until it does');
      },
    });
  const ingest = client('ingest', addresses.ingest, HTTP_CONNECTIONS);
  const api = client('api', addresses.api, 2);
  const reporter = new LedgerReporter({ dir: ledgerDir, sender, client: api });
  const fleet = createDeviceFleet({
    url: addresses.mqtt,
    deviceIds: world.deviceIds,
    random: createRandom(options.seed, 'fleet'),
    nowMs,
  });
  const isHeld = () => ledger.bytes - reporter.reportedBytes > UNREPORTED_BYTES_MAX;
  const traffic = createTraffic({ world, ingest, fleet, ledger, nowMs, isHeld });

  return {
    sender,
    ledger,
    reporter,
    api,
    fleet,
    traffic,

    connect: (signal) => fleet.connect(signal),

    async send(signal) {
      reporter.start(options.onFailure);
      world.skipTo(nowMs());
      await traffic.run(signal);
    },

    async finish({ drainMsMax, reportMsMax }) {
      const left = await traffic.drain(drainMsMax);
      await ledger.flush();
      const deadlineMs = performance.now() + reportMsMax;
      while (reporter.reportedBytes < ledger.bytes && performance.now() < deadlineMs) await sleep(REPORT_POLL_MS);
      return left;
    },

    async close() {
      stopping.abort();
      await Promise.all([ledger.close(), reporter.close(), fleet.close()]);
      await Promise.all([ingest.close(), api.close()]);
    },
  };
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
