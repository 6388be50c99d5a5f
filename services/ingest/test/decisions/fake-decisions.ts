import { createTopics, type Decision, samples } from '@millrace/contracts';
import { createLogger } from '@millrace/observability';
import {
  createDecisionWaits,
  DECISION_WAIT_LIMITS,
  type DecisionWaitLimits,
  type WaitOutcome,
} from '../../src/decisions/decision-waits.ts';

const topics = createTopics();

/** A decision of a payment, as the detector writes it. */
export function decisionOf(transactionId: string, fields: Partial<Decision> = {}): Decision {
  return { ...samples.decision, transaction_id: transactionId, customer_id: 'customer-1', ...fields };
}

/** Its record, as it comes from Kafka. */
export function recordOf(decision: Decision) {
  return {
    key: Buffer.from(decision.customer_id),
    value: Buffer.from(JSON.stringify(decision)),
    headers: { schema: Buffer.from('decision.v1'), event_id: Buffer.from(decision.transaction_id) },
  };
}

/** Waits for decisions that a test makes with `take(recordOf(...))`. */
export function createFakeDecisions(options: { limits?: Partial<DecisionWaitLimits>; waitMs?: number } = {}) {
  const outcomes: WaitOutcome[] = [];
  const calls: string[] = [];
  let listening: Promise<boolean> = Promise.resolve(true);
  let readings = 0;
  const waits = createDecisionWaits({
    source: {
      listen() {
        calls.push('listen');
        return listening;
      },
    },
    decode(value) {
      readings += 1;
      return topics.fraudDecisions.decode(value);
    },
    decisionUrl: (transactionId) => `https://api.example/v1/decisions/${transactionId}`,
    waitMs: options.waitMs ?? 1_000,
    nowMs: () => 0,
    onOutcome: (outcome) => outcomes.push(outcome),
    logger: createLogger({ service: 'ingest', level: 'silent' }),
    limits: { ...DECISION_WAIT_LIMITS, ...options.limits },
  });
  return {
    waits,
    outcomes,
    /** What happened, in order. */
    calls,
    /** Decisions that were decoded. */
    get readings() {
      return readings;
    },
    /** What the source says from now on when it is told to listen. */
    listenWith(answer: Promise<boolean>) {
      listening = answer;
    },
  };
}
