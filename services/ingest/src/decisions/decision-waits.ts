import { ContractError, type Decision, HEADER_EVENT_ID, type Payment } from '@millrace/contracts';
import type { InRecord } from '@millrace/kafka';
import type { Logger } from '@millrace/observability';
import { decisionAnswer } from './decision-answer.ts';
import type { DecisionSource } from './decision-reader.ts';
import { RecentTable } from './recent-table.ts';

/** How a request that wanted a decision ended, once its payment was kept. */
export const WAIT_OUTCOMES = [
  'decided', // in time
  'remembered', // it was decided before; the payment came again
  'late', // not within the wait
  'full', // too many requests wait already
  'unavailable', // decisions cannot be read now
  'gone', // the caller hung up
  'stopped', // the service is stopping
] as const;
export type WaitOutcome = (typeof WAIT_OUTCOMES)[number];

export interface DecisionWaitLimits {
  /** Requests that wait at the same time; further ones are told at once where the decision will be. */
  readonly waitsMax: number;
  /** Payments that are remembered with their decisions, the newest ones: a repeat is not decided again. */
  readonly rememberedMax: number;
  readonly rememberedBytesMax: number;
}

/** Ten thousand a second that each wait for half a second would be 5,000. An answer has some 400 bytes. */
export const DECISION_WAIT_LIMITS: DecisionWaitLimits = {
  waitsMax: 5_000,
  rememberedMax: 20_000,
  rememberedBytesMax: 16 * 1024 * 1024,
};

export interface DecisionWaitsOptions {
  readonly source: DecisionSource;
  readonly decode: (value: Uint8Array) => Decision;
  readonly decisionUrl: (transactionId: string) => string;
  /** From the request to its answer; what Kafka takes beyond it to confirm the payment is waited for all the same. */
  readonly waitMs: number;
  /** Monotonic. */
  readonly nowMs: () => number;
  readonly onOutcome: (outcome: WaitOutcome, waitedMs: number) => void;
  readonly logger: Logger;
  readonly limits?: DecisionWaitLimits;
}

export interface DecisionWaits {
  /**
   * Keeps a payment and waits for its decision: the body of the answer as JSON, or undefined when there is none in time.
   * Rejects as `keep` does, and for no other reason. `onLeave` is handed what the caller's hanging up is to call.
   */
  decide(
    payment: Payment,
    keep: () => Promise<void>,
    onLeave: (leave: () => void) => void,
  ): Promise<string | undefined>;
  decisionUrl(transactionId: string): string;
  /** A record of the topic of decisions. */
  take(record: Pick<InRecord, 'key' | 'value' | 'headers'>): void;
  /** Requests that wait now. */
  readonly waiting: number;
  /** Ends all waits, now and later, as if their time was over. */
  stop(): void;
}

/** A payment that a caller wanted the decision of. */
interface Asked {
  answer?: string;
  /** Those who wait for it: more than one when a caller sends a payment again before it is answered. */
  readonly waits: Set<EndWait>;
}

/** Only the first call counts. */
type EndWait = (outcome: WaitOutcome) => void;

/** Of an entry without its answer. An estimate on the high side. */
const ASKED_BYTES = 400;

/**
 * Waits for decisions, by payment.
 *
 * Delivery: there is an answer only for a payment that was kept. A decision belongs to the payment by transaction *and*
 * customer, because payments of two customers under one id are both decided. It is remembered when it came too late or
 * the caller was gone, so that the same payment, sent again, gets it.
 */
export function createDecisionWaits(options: DecisionWaitsOptions): DecisionWaits {
  const { source, decode, decisionUrl, waitMs, nowMs, onOutcome, logger } = options;
  const { waitsMax, rememberedMax, rememberedBytesMax } = options.limits ?? DECISION_WAIT_LIMITS;
  const asked = new RecentTable<Asked>({ entriesMax: rememberedMax, bytesMax: rememberedBytesMax });
  const open = new Set<EndWait>();
  let stopped = false;

  function entryOf(payment: Payment): Asked {
    const key = keyOf(payment.customer_id, payment.transaction_id);
    const known = asked.get(key);
    if (known !== undefined) return known;
    const entry: Asked = { waits: new Set() };
    asked.set(key, entry, ASKED_BYTES);
    return entry;
  }

  /** Of what has nothing to wait for. */
  function outcomeAtOnce(entry: Asked): WaitOutcome | undefined {
    if (entry.answer !== undefined) return 'remembered';
    if (stopped) return 'stopped';
    return open.size >= waitsMax ? 'full' : undefined;
  }

  async function keepAndWait(
    entry: Asked,
    keep: () => Promise<void>,
    onLeave: (leave: () => void) => void,
  ): Promise<WaitOutcome> {
    const { promise: ended, resolve: end } = Promise.withResolvers<WaitOutcome>();
    // 1. The wait is known before the payment is, so that no decision finds nobody.
    open.add(end);
    entry.waits.add(end);
    const timer = setTimeout(end, waitMs, 'late');
    onLeave(() => end('gone'));
    try {
      // 2. Decisions are read before the payment is written. That may not hold up the payment beyond the wait.
      const listening = await Promise.race([source.listen(), ended.then(() => false)]);
      // 3. Nothing is answered before the payment is kept.
      await keep();
      if (!listening) end('unavailable');
      // 4. The decision, or the end of the wait.
      return await ended;
    } finally {
      clearTimeout(timer);
      open.delete(end);
      entry.waits.delete(end);
    }
  }

  return {
    decisionUrl,
    get waiting() {
      return open.size;
    },

    async decide(payment, keep, onLeave) {
      const startedMs = nowMs();
      const entry = entryOf(payment);
      const atOnce = outcomeAtOnce(entry);
      if (atOnce !== undefined) await keep();
      const outcome = atOnce ?? (await keepAndWait(entry, keep, onLeave));
      // It may have come after the wait, while Kafka still had to confirm the payment.
      const isDecided = atOnce === undefined && entry.answer !== undefined;
      onOutcome(isDecided ? 'decided' : outcome, nowMs() - startedMs);
      return entry.answer;
    },

    take({ key, value, headers }) {
      if (asked.size === 0 || key === null || value === null) return;
      const entryKey = keyOf(key.toString(), String(headers[HEADER_EVENT_ID]));
      const entry = asked.get(entryKey);
      if (entry === undefined || entry.answer !== undefined) return;
      try {
        const decision = decode(value);
        entry.answer = decisionAnswer(decision, decisionUrl(decision.transaction_id));
      } catch (error) {
        if (!(error instanceof ContractError)) throw error;
        logger.warn({ err: error }, 'a decision that somebody waits for cannot be read');
        return;
      }
      asked.set(entryKey, entry, ASKED_BYTES + entry.answer.length);
      for (const end of entry.waits) end('decided');
    },

    stop() {
      stopped = true;
      for (const end of open) end('stopped');
    },
  };
}

/** Neither id has a space. */
function keyOf(customerId: string, transactionId: string): string {
  return `${transactionId} ${customerId}`;
}
