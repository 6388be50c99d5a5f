import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger } from '@millrace/observability';
import { openRun, type Run } from '@millrace/simulator';
import type { DrillPlatform } from './platform.ts';

/** After the last fault everything answers again; what is under way is given this long. */
const FINISH_LIMITS = { drainMsMax: 120_000, reportMsMax: 120_000 };

export interface TrafficOptions {
  readonly seed: number;
  readonly paymentsPerSecond: number;
  readonly devices: number;
  /** Few, so that each of their windows holds many payments. */
  readonly shoppers: number;
}

/** Ids by what their sender knows of them. */
export interface SentIds {
  readonly sent: ReadonlySet<string>;
  readonly acknowledged: ReadonlySet<string>;
}

export interface DrillTraffic {
  readonly sender: string;
  acknowledged(): { readonly payments: number; readonly readings: number };
  /** What has ended the sending before its time; undefined while all is well. */
  failure(): unknown;
  /** Stops sending, waits for acknowledgements and reports the ledger. Returns how many events are not acknowledged. */
  finish(): Promise<number>;
  /** From the ledger's file, which is the sender's own truth. */
  ids(): Promise<{ readonly payments: SentIds; readonly readings: SentIds }>;
  close(): Promise<void>;
}

/** Shoppers and devices of the simulator, who repeat what they send until it is acknowledged. */
export async function startTraffic(platform: DrillPlatform, options: TrafficOptions): Promise<DrillTraffic> {
  const stop = new AbortController();
  const ledgerRoot = join(platform.dataDir, 'ledgers');
  let failure: unknown;
  const fail = (error: unknown) => {
    failure ??= error;
    stop.abort();
  };
  const run = await openRun({
    ...options,
    addresses: platform.front,
    ledgerRoot,
    nowMs: Date.now,
    logger: createLogger({ service: 'simulator', level: 'silent' }),
    onFailure: fail,
  });
  await run.connect(stop.signal);
  const sending = run.send(stop.signal).catch(fail);
  return {
    sender: run.session.sender,
    acknowledged: () => acknowledgedBy(run),
    failure: () => failure,
    async finish() {
      stop.abort();
      await sending;
      return run.finish(FINISH_LIMITS);
    },
    ids: () => readLedger(join(ledgerRoot, run.session.sender)),
    async close() {
      stop.abort();
      await sending;
      await run.close();
    },
  };
}

function acknowledgedBy({ session: { ledger } }: Run) {
  return {
    payments: ledger.counts('payment').acknowledged,
    readings: ledger.counts('telemetry').acknowledged,
  };
}

async function readLedger(dir: string) {
  const ids = {
    sent: { payment: new Set(), telemetry: new Set() },
    acknowledged: { payment: new Set(), telemetry: new Set() },
  };
  const files = (await readdir(dir)).filter((name) => name.endsWith('.ndjson')).sort();
  for (const file of files) {
    for (const text of (await readFile(join(dir, file), 'utf8')).split('\n')) {
      if (text === '') continue;
      const line = JSON.parse(text);
      if (line.kind !== 'sent' && line.kind !== 'acknowledged') continue;
      const of = ids[line.kind as 'sent' | 'acknowledged'];
      for (const kind of ['payment', 'telemetry'] as const) for (const id of line.ids[kind] ?? []) of[kind].add(id);
    }
  }
  const { sent, acknowledged } = ids as Record<'sent' | 'acknowledged', Record<'payment' | 'telemetry', Set<string>>>;
  return {
    payments: { sent: sent.payment, acknowledged: acknowledged.payment },
    readings: { sent: sent.telemetry, acknowledged: acknowledged.telemetry },
  };
}
