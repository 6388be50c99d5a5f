import { formatTable } from '../cli/table.ts';
import { type HopCounts, untilSettled } from '../reconciliation.ts';
import type { Session } from '../session.ts';
import type { Replayed } from './replay-payments.ts';

/** What a replay prints, and its last line with `--json`. */
export interface ReplayResult {
  /** Everything accepted is decided and stored, once. */
  readonly ok: boolean;
  readonly sender: string;
  readonly file: string;
  readonly kind: 'payments' | 'telemetry';
  readonly rows: number;
  readonly sent: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly reasons: Readonly<Record<string, number>>;
  readonly raw: number;
  readonly enriched: number;
  readonly decided: number;
  readonly stored: number;
  readonly missing: number;
  readonly twice: number;
  readonly labels: number;
  /** From the first event sent until everything was accepted, and until everything was decided and stored. */
  readonly acceptedSeconds: number;
  readonly settledSeconds: number;
  readonly eventsPerSecond: number;
}

export interface SettleOptions {
  readonly file: string;
  readonly kind: 'payments' | 'telemetry';
  readonly nowMs: () => number;
  readonly reportMsMax: number;
  readonly onProgress: (counts: HopCounts, accepted: number) => void;
}

/** Waits until everything that was accepted has come out, and compares. */
export async function settleReplay(
  session: Session,
  replayed: Replayed,
  options: SettleOptions,
): Promise<ReplayResult> {
  const { ledger, api, sender } = session;
  const { kind, nowMs } = options;
  const acceptedMs = nowMs();
  await session.finish(options.reportMsMax);
  const { sent, acknowledged: accepted, refused } = ledger.counts(kind === 'payments' ? 'payment' : 'telemetry');
  const counts = await untilSettled({
    api,
    sender,
    kind,
    accepted,
    signal: new AbortController().signal,
    onProgress: (now) => options.onProgress(now, accepted),
  });
  const settledSeconds = (nowMs() - replayed.startedMs) / 1_000;
  const unusable = [...replayed.unusable.values()].reduce((sum, count) => sum + count, 0);
  const { raw, enriched, decided, stored, missing, duplicated: twice } = counts;
  return {
    // What was sent and never acknowledged is missing as well: nobody refused it.
    ok: missing === 0 && twice === 0 && sent === accepted + refused,
    ...{ sender, file: options.file, kind, rows: replayed.rows, sent, accepted, rejected: refused + unusable },
    reasons: Object.fromEntries([...ledger.reasons(), ...replayed.unusable]),
    ...{ raw, enriched, decided, stored, missing: missing + sent - accepted - refused, twice, labels: replayed.labels },
    acceptedSeconds: round((acceptedMs - replayed.startedMs) / 1_000),
    settledSeconds: round(settledSeconds),
    eventsPerSecond: Math.round(accepted / settledSeconds),
  };
}

export function printReplay(result: ReplayResult, asJson: boolean): void {
  const hops = [
    'rows',
    'sent',
    'accepted',
    'rejected',
    'raw',
    'enriched',
    'decided',
    'stored',
    'missing',
    'twice',
  ] as const;
  console.log(formatTable([[result.file, result.kind], ...hops.map((hop) => [hop, result[hop]])]));
  for (const [reason, count] of Object.entries(result.reasons)) console.log(`rejected: ${reason}: ${count}`);
  if (result.labels > 0) console.log(`${result.labels} labels were sent with them.`);
  const { acceptedSeconds, settledSeconds, eventsPerSecond } = result;
  console.log(
    `Accepted in ${acceptedSeconds} s, through in ${settledSeconds} s: ${eventsPerSecond} ${result.kind}/s end to end.`,
  );
  console.log(
    result.ok ? 'Nothing is missing, nothing is there twice.' : 'Something is missing or there twice, see above.',
  );
  if (asJson) console.log(JSON.stringify(result));
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
