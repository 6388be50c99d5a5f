import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { Client, errors } from 'undici';
import { idOf, type Ledger } from './ledger.ts';

const ARRAY_LENGTH_MAX = 40;
const STREAM_LENGTH_MAX = 2_000;
const ANSWER_MS_MAX = 30_000;
const AGAIN_MS = 50;
/** Of the events in arrays and streams: these are refused, and must not be kept. */
const WRONG_SHARE = 0.01;

interface Sent {
  readonly body: string;
  readonly contentType: 'application/json' | 'application/x-ndjson';
  readonly ids: readonly string[];
  /** Those that break their contract. */
  readonly wrong: ReadonlySet<string>;
}

/**
 * One shop on one connection: sends payments as single events, arrays and streams, some gzipped, as fast as it is
 * answered, and never sends one twice. Its customer is its own, so that its payments have an order.
 *
 * @throws when an answer is not one that a right request may get
 */
export async function sendPayments(
  url: string,
  name: string,
  ledger: Ledger,
  random: () => number,
  signal: AbortSignal,
): Promise<void> {
  const client = new Client(url, { pipelining: 1, headersTimeout: ANSWER_MS_MAX, bodyTimeout: ANSWER_MS_MAX });
  let number = 0;
  try {
    while (!signal.aborted) {
      const request = nextRequest();
      ledger.send(request.ids);
      const zipped = random() < 0.2;
      try {
        const { statusCode, body } = await client.request({
          method: 'POST',
          path: '/v1/payments',
          headers: { 'content-type': request.contentType, ...(zipped && { 'content-encoding': 'gzip' }) },
          body: zipped ? gzipSync(request.body) : request.body,
        });
        const answer = (await body.json()) as Answer;
        if (statusCode === 503) await sleep(AGAIN_MS);
        settle(request, statusCode, answer, ledger);
      } catch (error) {
        // Nobody knows what became of it. Anything but a broken connection is a fault to report.
        if (!isOutage(error)) throw error;
        await sleep(AGAIN_MS);
      }
    }
  } finally {
    await client.destroy();
  }

  function nextRequest(): Sent {
    const kind = random();
    if (kind < 0.6) {
      const id = idOf(name, number++);
      return { body: payment(id), contentType: 'application/json', ids: [id], wrong: new Set() };
    }
    const length = 1 + Math.floor(random() * (kind < 0.9 ? ARRAY_LENGTH_MAX : STREAM_LENGTH_MAX));
    const ids = Array.from({ length }, () => idOf(name, number++));
    const wrong = new Set(ids.filter(() => random() < WRONG_SHARE));
    const events = ids.map((id) => payment(id, wrong.has(id)));
    return kind < 0.9
      ? { body: `[${events.join(',')}]`, contentType: 'application/json', ids, wrong }
      : { body: events.join('\n'), contentType: 'application/x-ndjson', ids, wrong };
  }

  function payment(id: string, wrong = false): string {
    return JSON.stringify({
      transaction_id: id,
      event_time: Date.now(),
      customer_id: name,
      merchant_id: 'merchant-1',
      amount: '12.34',
      currency: wrong ? 'no currency' : 'EUR',
      channel: 'ecom',
    });
  }
}

interface Answer {
  readonly accepted?: number;
  readonly rejected?: number;
  readonly items?: readonly { readonly status: string; readonly transaction_id?: string }[];
  readonly last_line_settled?: number;
}

/** Writes into the ledger what the answer says, and nothing that it does not say. */
export function settle({ ids, wrong, contentType }: Sent, status: number, answer: Answer, ledger: Ledger): void {
  const right = (some: readonly string[]) => some.filter((id) => !wrong.has(id));
  if (contentType === 'application/x-ndjson') {
    // Also of a stream that was ended: up to this line everything is kept or refused.
    const settled = ids.slice(0, answer.last_line_settled ?? 0);
    expect(status === 202 || status === 207 || status === 422 || status === 503, status, answer);
    expect(status === 503 || settled.length === ids.length, status, answer);
    ledger.acknowledge(right(settled));
    ledger.refuse(settled.filter((id) => wrong.has(id)));
    return;
  }
  if (status === 503) return;
  if (answer.items === undefined) {
    expect(status === 202 && ids.length === 1, status, answer);
    ledger.acknowledge(ids);
    return;
  }
  expect(status === 202 || status === 207 || status === 422, status, answer);
  expect(answer.items.length === ids.length, status, answer);
  for (const [index, { status: said }] of answer.items.entries()) {
    const id = ids[index] ?? '';
    expect(said === (wrong.has(id) ? 'rejected' : 'accepted'), status, answer);
    if (said === 'accepted') ledger.acknowledge([id]);
    else ledger.refuse([id]);
  }
}

function expect(holds: boolean, status: number, answer: Answer): void {
  if (!holds) throw new Error(`an answer that should not be: ${status} ${JSON.stringify(answer).slice(0, 1_000)}`);
}

const OUTAGE_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT']);

function isOutage(error: unknown): boolean {
  if (error instanceof errors.ClientClosedError || error instanceof errors.ClientDestroyedError) return false;
  // A process that is killed in the middle of an answer leaves half of it.
  if (error instanceof SyntaxError || error instanceof errors.HTTPParserError) return true;
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code !== undefined && (OUTAGE_CODES.has(code) || code.startsWith('UND_ERR_'));
}
