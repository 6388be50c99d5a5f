import type { Decision } from '@millrace/contracts';

/**
 * The body of an answer that carries a decision, as JSON: what a caller needs to let a payment through or not. Features
 * and the values that made the rules fire stay behind `decision_url`: they are for analysts, and large.
 */
export function decisionAnswer(decision: Decision, decisionUrl: string): string {
  return JSON.stringify({
    accepted: 1,
    transaction_id: decision.transaction_id,
    decision: decision.decision,
    score: decision.score,
    rules: decision.rules.map(({ id, version, reason, weight }) => ({ id, version, reason, weight })),
    late: decision.late,
    rules_hash: decision.rules_hash,
    decided_at: new Date(decision.decided_at).toISOString(),
    trace_id: decision.trace_id,
    decision_url: decisionUrl,
  });
}

/** Where the API has the decision of a payment; a path alone when it is not known where the API is. */
export function createDecisionUrl(apiUrl: string | undefined): (transactionId: string) => string {
  const base = apiUrl?.replace(/\/+$/, '') ?? '';
  // Ids are made of characters that a path may have (ID_ALPHABET).
  return (transactionId) => `${base}/v1/decisions/${transactionId}`;
}
