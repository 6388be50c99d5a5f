import { errors, Pool } from 'undici';
import { SimulatorError } from '../errors.ts';
import { untilDone } from './backoff.ts';

export interface HttpClientOptions {
  readonly url: string;
  /** Requests at the same time. */
  readonly connections: number;
  readonly signal: AbortSignal;
  /** Told when a request has to be repeated, with the reason, and when requests work again. */
  readonly onAvailability?: (available: boolean, reason: string) => void;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface HttpRequest {
  readonly path: string;
  readonly body: string;
  readonly contentType: 'application/json' | 'application/x-ndjson';
  readonly headers?: Readonly<Record<string, string>>;
}

export interface HttpClient {
  /**
   * Sends a request until it is answered by something other than "later": a repetition carries the same ids, so it
   * changes nothing if the first one was taken after all. 4xx answers are returned.
   */
  post(request: HttpRequest): Promise<Answer>;
  /** One attempt. @throws {SimulatorError} `not-running` when nobody answers. */
  get(path: string): Promise<Answer>;
  close(): Promise<void>;
}

const CONNECT_MS_MAX = 5_000;
/** Ingest itself gives up on a stream after 20 s without Kafka. */
const ANSWER_MS_MAX = 30_000;

/** A pool of kept-alive connections to one service. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const pool = new Pool(options.url, {
    connections: options.connections,
    pipelining: 1,
    connect: { timeout: CONNECT_MS_MAX },
    headersTimeout: ANSWER_MS_MAX,
    bodyTimeout: ANSWER_MS_MAX,
  });
  let available = true;

  function report(now: boolean, reason: string): void {
    if (now !== available) options.onAvailability?.(now, reason);
    available = now;
  }

  async function attempt(request: HttpRequest) {
    try {
      const { statusCode, headers, body } = await pool.request({
        method: 'POST',
        path: request.path,
        body: request.body,
        headers: { 'content-type': request.contentType, ...request.headers },
        signal: options.signal,
      });
      const text = await body.text();
      if (statusCode < 500 && statusCode !== 429 && statusCode !== 408) {
        report(true, '');
        return { value: { status: statusCode, body: parseBody(text) } };
      }
      report(false, `status ${statusCode}`);
      return { retryAfterMs: retryAfterMs(headers['retry-after']) };
    } catch (error) {
      if (options.signal.aborted) throw new SimulatorError('aborted', 'stopped while sending', { cause: error });
      if (!isOutage(error)) throw error;
      report(false, error instanceof Error ? error.message : String(error));
      return { retryAfterMs: 0 };
    }
  }

  return {
    post: (request) => untilDone(() => attempt(request), options.signal),

    async get(path) {
      try {
        const { statusCode, body } = await pool.request({ method: 'GET', path });
        return { status: statusCode, body: parseBody(await body.text()) };
      } catch (cause) {
        if (!isOutage(cause)) throw cause;
        throw new SimulatorError('not-running', `Nobody answers at ${options.url}. Start the stack: npm start.`, {
          cause,
        });
      }
    },

    close: () => pool.close(),
  };
}

/** Errors of the connection: the service is away, restarting, or cut off. Anything else is a fault of ours. */
function isOutage(error: unknown): boolean {
  if (error instanceof errors.UndiciError) return !(error instanceof errors.InvalidArgumentError);
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code !== undefined && OUTAGE_CODES.has(code);
}

const OUTAGE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/** Seconds, or a date that is not worth reading: the own delay does as well. */
function retryAfterMs(header: string | string[] | undefined): number {
  const seconds = Number(header);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 10) * 1_000 : 0;
}

/** Problems and results are JSON; what a proxy in between may say is kept as text. */
function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}
