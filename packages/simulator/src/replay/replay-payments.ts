import { type Outgoing, type RouteKind, sendLines } from '../send/event-sender.ts';
import { createLanes, type Lanes } from '../send/lanes.ts';
import type { Session } from '../session.ts';
import { createPace } from './pace.ts';
import type { FileKind } from './rows.ts';

export interface ReplayOptions {
  readonly session: Session;
  readonly rows: AsyncIterable<readonly string[]>;
  readonly speed: number;
  readonly limit: number;
  readonly nowMs: () => number;
  /** Ends the reading; what is under way is finished. */
  readonly signal: AbortSignal;
  readonly onProgress: (rows: number) => void;
}

export interface Replayed {
  readonly rows: number;
  /** Rows that could not be sent, by reason. */
  readonly unusable: ReadonlyMap<string, number>;
  readonly labels: number;
  /** When the first event was sent, on the caller's clock. */
  readonly startedMs: number;
}

/**
 * One stream, in the order of the file: windows are in event time, and a payment that overtakes another by hours of the
 * file's time would be late. One request at a time is still many times faster than what comes behind ingest.
 */
const LANES = 1;
const LINES_PER_REQUEST_MAX = 2_000;
/** Rows read ahead of ingest. */
const ROWS_UNDER_WAY_MAX = 10_000;
const LINGER_MS = 10;
const HELD_POLL_MS = 50;

/** Sends the payments of a file through the batch route, which takes events of any age, and their labels if wanted. */
export async function replayPayments(
  file: Extract<FileKind, { kind: 'payments' }>,
  options: ReplayOptions & { readonly withLabels: boolean },
): Promise<Replayed> {
  const { session, signal } = options;
  const { ledger } = session;
  const pace = createPace(options);
  const payments = lanesTo(session, 'payments', ({ accepted, refused }) => {
    for (const { id } of accepted) ledger.acknowledged('payment', id);
    for (const { event, reason } of refused) ledger.refused('payment', event.id, reason);
  });
  const labels = lanesTo(session, 'labels', ({ accepted }) => {
    labelled += accepted.length;
  });
  const unusable = new Map<string, number>();
  let rows = 0;
  let labelled = 0;
  let startedMs = options.nowMs();

  for await (const cells of options.rows) {
    const row = file.read(cells);
    rows += 1;
    if ('problem' in row) unusable.set(row.problem, (unusable.get(row.problem) ?? 0) + 1);
    else {
      await pace(row.timeMs);
      if (rows === 1) startedMs = options.nowMs();
      ledger.sent('payment', row.id);
      payments.add(row.customerId, row);
      if (options.withLabels && row.labelJson !== undefined) {
        labels.add(row.customerId, { id: row.id, json: row.labelJson });
      }
      if (payments.full) await payments.room();
      if (labels.full) await labels.room();
      while (session.isHeld() && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, HELD_POLL_MS));
    }
    options.onProgress(rows);
    if (rows >= options.limit || signal.aborted) break;
  }
  await payments.idle();
  await labels.idle();
  return { rows, unusable, labels: labelled, startedMs };
}

function lanesTo(
  { ingest }: Session,
  kind: RouteKind,
  onSettled: (settled: Awaited<ReturnType<typeof sendLines>>) => void,
): Lanes<Outgoing> {
  return createLanes({
    lanes: LANES,
    batchMax: LINES_PER_REQUEST_MAX,
    lingerMs: LINGER_MS,
    itemsMax: ROWS_UNDER_WAY_MAX,
    send: async (batch) => onSettled(await sendLines(ingest, kind, batch)),
  });
}
