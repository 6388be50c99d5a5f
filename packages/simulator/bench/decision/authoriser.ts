import { Pool } from 'undici';

export interface AuthoriserOptions {
  /** Of ingest. */
  readonly url: string;
  /** Requests under way at the same time; a payment beyond them waits, and its latency counts from when it was due. */
  readonly connections: number;
  /** The same clock as that of the times at which payments are due. */
  readonly nowMs: () => number;
}

/** What became of payments that were sent in one stretch of time. */
export interface Tally {
  sent: number;
  /** 200, with the decision of that payment. */
  decided: number;
  /** 202: kept, and not decided in time. */
  linked: number;
  /** By reason: any other answer, or none. */
  readonly lost: Map<string, number>;
  /** Of every answer, decided or linked, from when the payment was due. */
  readonly latenciesMs: number[];
}

export interface Authoriser {
  /** Sends a payment once, and enters its answer into `tally`. */
  send(payment: { readonly transaction_id: string }, dueMs: number, tally: Tally): void;
  /** Resolves when everything that was sent is answered, or given up. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Ingest waits for a second at most, and may need five more until Kafka has confirmed. */
const ANSWER_MS_MAX = 10_000;

export function createTally(): Tally {
  return { sent: 0, decided: 0, linked: 0, lost: new Map(), latenciesMs: [] };
}

/** A shop that asks about each of its payments whether to let it through, and never asks twice. */
export function createAuthoriser({ url, connections, nowMs }: AuthoriserOptions): Authoriser {
  const pool = new Pool(url, {
    connections,
    pipelining: 1,
    headersTimeout: ANSWER_MS_MAX,
    bodyTimeout: ANSWER_MS_MAX,
  });
  const underWay = new Set<Promise<void>>();

  async function ask(payment: { readonly transaction_id: string }, dueMs: number, tally: Tally): Promise<void> {
    try {
      const { statusCode, body } = await pool.request({
        method: 'POST',
        path: '/v1/payments?wait=decision',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(payment),
      });
      const answer: unknown = await body.json();
      const kind = kindOf(statusCode, answer, payment.transaction_id);
      if (kind === undefined) return lose(tally, `status ${statusCode}`);
      tally[kind] += 1;
      tally.latenciesMs.push(nowMs() - dueMs);
    } catch (error) {
      lose(tally, error instanceof Error ? error.message : String(error));
    }
  }

  return {
    send(payment, dueMs, tally) {
      tally.sent += 1;
      const answer = ask(payment, dueMs, tally);
      underWay.add(answer);
      void answer.finally(() => underWay.delete(answer));
    },
    async drain() {
      while (underWay.size > 0) await Promise.all(underWay);
    },
    close: () => pool.close(),
  };
}

function kindOf(status: number, answer: unknown, transactionId: string): 'decided' | 'linked' | undefined {
  const { transaction_id, decision, decision_url } = Object(answer) as Record<string, unknown>;
  if (transaction_id !== transactionId) return undefined;
  if (status === 200 && typeof decision === 'string') return 'decided';
  return status === 202 && typeof decision_url === 'string' ? 'linked' : undefined;
}

function lose({ lost }: Tally, reason: string): void {
  lost.set(reason, (lost.get(reason) ?? 0) + 1);
}
