import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@millrace/observability';
import type { Addresses } from './cli/addresses.ts';
import { type Ledger, openLedger } from './ledger/ledger.ts';
import { LedgerReporter } from './ledger/reporter.ts';
import { createHttpClient, type HttpClient } from './send/http-client.ts';

export interface SessionOptions {
  readonly addresses: Addresses;
  /** Begins the name of the sender: `simulator` or `replay`. */
  readonly name: string;
  /** Folder of the ledgers; the session makes its own in it. */
  readonly ledgerRoot: string;
  readonly nowMs: () => number;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** What ends the session from inside: a refused report, a full disk. */
  readonly onFailure: (error: unknown) => void;
}

/** A sender with its connections and its ledger. */
export interface Session {
  /** Unique, and the part of it that is: base 36 of the milliseconds, so that later ones sort behind earlier ones. */
  readonly sender: string;
  readonly id: string;
  readonly ledger: Ledger;
  readonly ingest: HttpClient;
  readonly api: HttpClient;
  /** The ledger has grown so far ahead of what the API was told that nothing more should be sent. */
  isHeld(): boolean;
  /** Writes the ledger, and reports it as far as `reportMsMax` allows. Returns whether all of it is reported. */
  finish(reportMsMax: number): Promise<boolean>;
  close(): Promise<void>;
}

const INGEST_CONNECTIONS = 12;
const API_CONNECTIONS = 2;
/** The API has been away for hours; nothing is sent before it has caught up. */
const UNREPORTED_BYTES_MAX = 1024 * 1024 * 1024;
const REPORT_POLL_MS = 20;

export async function openSession(options: SessionOptions): Promise<Session> {
  const { addresses, logger, nowMs, onFailure } = options;
  const id = nowMs().toString(36);
  const sender = `${options.name}-${id}`;
  const dir = join(options.ledgerRoot, sender);
  const stopping = new AbortController();
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
  const ledger = await openLedger({ dir, nowMs, onFailure });
  const ingest = client('ingest', addresses.ingest, INGEST_CONNECTIONS);
  const api = client('api', addresses.api, API_CONNECTIONS);
  const reporter = new LedgerReporter({ dir, sender, client: api });
  reporter.start(onFailure);

  return {
    sender,
    id,
    ledger,
    ingest,
    api,
    isHeld: () => ledger.bytes - reporter.reportedBytes > UNREPORTED_BYTES_MAX,

    async finish(reportMsMax) {
      await ledger.flush();
      const deadlineMs = performance.now() + reportMsMax;
      while (reporter.reportedBytes < ledger.bytes && performance.now() < deadlineMs) await sleep(REPORT_POLL_MS);
      return reporter.reportedBytes === ledger.bytes;
    },

    async close() {
      stopping.abort();
      await Promise.all([ledger.close(), reporter.close()]);
      await Promise.all([ingest.close(), api.close()]);
    },
  };
}
