import { setTimeout as sleep } from 'node:timers/promises';
import { SimulatorError } from './errors.ts';
import { isObject } from './send/event-sender.ts';
import type { HttpClient } from './send/http-client.ts';

/** Distinct ids of one sender's ledger at each hop, as the API counts them. */
export interface HopCounts {
  readonly accepted: number;
  readonly raw: number;
  readonly enriched: number;
  readonly decided: number;
  readonly stored: number;
  /** Rows beyond one per event. */
  readonly duplicated: number;
}

export interface SettledCounts extends HopCounts {
  /** Accepted and not stored. */
  readonly missing: number;
}

export interface SettleOptions {
  readonly api: HttpClient;
  readonly sender: string;
  readonly kind: 'payments' | 'telemetry';
  /** What the sender was told is accepted: all of it has to come out. */
  readonly accepted: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (counts: HopCounts) => void;
}

const POLL_MS_MIN = 500;
/** Counting is work for the store, which has other work while it catches up: it rests this many times as long. */
const REST_FACTOR = 6;
/** When nothing has moved for this long, nothing will. A service that is restarted and restores needs less. */
const STANDSTILL_MS_MAX = 120_000;

/**
 * Waits until everything that a sender was told is accepted is decided and stored, or nothing moves any more.
 *
 * Returns the last counts; `missing` or `duplicated` above 0 is for the caller to judge.
 * @throws {SimulatorError} `refused` when the API does not know the route; `aborted`.
 */
export async function untilSettled(options: SettleOptions): Promise<SettledCounts> {
  const { accepted, signal } = options;
  let counts: HopCounts = NOTHING;
  let movedMs = performance.now();
  for (;;) {
    const askedMs = performance.now();
    const now = await readCounts(options);
    if (now !== undefined) {
      if (JSON.stringify(now) !== JSON.stringify(counts)) movedMs = performance.now();
      counts = now;
      options.onProgress?.(counts);
    }
    const missing = Math.max(0, accepted - Math.min(counts.stored, counts.decided));
    const standsStill = performance.now() - movedMs > STANDSTILL_MS_MAX;
    if (missing === 0 || standsStill) return { ...counts, missing };
    const restMs = Math.max(POLL_MS_MIN, REST_FACTOR * (performance.now() - askedMs));
    try {
      await sleep(restMs, undefined, { signal });
    } catch (cause) {
      throw new SimulatorError('aborted', 'stopped while waiting for the pipeline', { cause });
    }
  }
}

const NOTHING: HopCounts = { accepted: 0, raw: 0, enriched: 0, decided: 0, stored: 0, duplicated: 0 };

/** `undefined` while the API or what it reads from is away. */
async function readCounts({ api, sender, kind }: SettleOptions): Promise<HopCounts | undefined> {
  let answer: Awaited<ReturnType<HttpClient['get']>>;
  try {
    answer = await api.get(`/v1/reconciliation?sender=${encodeURIComponent(sender)}`);
  } catch (error) {
    // It may be restarting; how long that is waited for is the caller's loop.
    if (error instanceof SimulatorError && error.code === 'not-running') return undefined;
    throw error;
  }
  if (answer.status >= 500) return undefined;
  const counts = isObject(answer.body) ? answer.body[kind] : undefined;
  if (answer.status !== 200 || !isHopCounts(counts)) {
    throw new SimulatorError('refused', `GET /v1/reconciliation was answered ${answer.status} by the API.`);
  }
  return counts;
}

function isHopCounts(value: unknown): value is HopCounts {
  return isObject(value) && Object.keys(NOTHING).every((hop) => typeof value[hop] === 'number');
}
