import { once } from 'node:events';
import { type ClientRequest, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

export interface Exchange {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: AsyncIterable<Buffer>;
  readonly signal: AbortSignal;
}

export interface ExchangeAnswer {
  readonly status: number;
  readonly body: unknown;
  /** From `Retry-After`; 0 without it. */
  readonly retryAfterMs: number;
}

const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const RETRY_AFTER_MS_MAX = 10_000;

/**
 * One request, also with a body of gigabytes, which is not sent on once the server has answered: a refusal comes in the
 * middle of it. (undici and fetch drop an answer that comes before the end of the body when the server then closes.)
 *
 * Rejects with an error of Node when there is no answer.
 */
export function exchange({ url, method, headers, body, signal }: Exchange): Promise<ExchangeAnswer> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, { method, headers, signal });
    let answered = false;
    request.once('error', (error) => {
      if (!answered) reject(error);
    });
    request.once('response', (response) => {
      answered = true;
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > ANSWER_BYTES_MAX) response.destroy(new Error('the answer is too long'));
      });
      response.once('error', reject);
      response.once('end', () => {
        const { statusCode = 0 } = response;
        resolve({
          status: statusCode,
          body: parsed(text),
          retryAfterMs: retryAfterMs(response.headers['retry-after']),
        });
        request.destroy();
      });
    });
    if (body === undefined) request.end();
    else send(request, body, () => answered).catch((error: unknown) => request.destroy(error as Error));
  });
}

async function send(request: ClientRequest, body: AsyncIterable<Buffer>, isAnswered: () => boolean): Promise<void> {
  const over = endOf(request);
  for await (const chunk of body) {
    if (isAnswered() || request.destroyed) return;
    if (!request.write(chunk)) await Promise.race([once(request, 'drain'), over]);
  }
  if (!isAnswered()) request.end();
}

/** Answered, or closed: there is nothing more to send. */
function endOf(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    request.once('close', () => resolve());
    request.once('response', () => resolve());
  });
}

/** What a proxy in between may say is kept as text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

function retryAfterMs(header: string | undefined): number {
  const seconds = Number(header);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1_000, RETRY_AFTER_MS_MAX) : 0;
}
