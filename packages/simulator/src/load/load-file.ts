import { setTimeout as sleep } from 'node:timers/promises';
import { SimulatorError } from '../errors.ts';
import { untilDone } from '../send/backoff.ts';
import { batchForm, type FormFields, type InputFile } from './batch-form.ts';
import { type Exchange, type ExchangeAnswer, exchange } from './exchange.ts';

export interface RowProblem {
  readonly line: number;
  readonly field: string;
  readonly code: string;
  readonly message: string;
}

/** What became of a file. */
export interface Loaded {
  readonly file: string;
  readonly batch_id?: string;
  readonly dry_run: boolean;
  /** Read to its end. */
  readonly done: boolean;
  readonly received: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly skipped: number;
  readonly events: number;
  readonly problems: readonly RowProblem[];
  readonly problems_omitted: number;
  readonly unused_columns: readonly string[];
  /** Rows up to here were settled by an earlier run. */
  readonly resumed_after_line: number;
  /** Why it was not read to its end. */
  readonly failure?: string;
}

export interface LoadState {
  /** Of the file; more than are settled. */
  readonly sentBytes: number;
  /** Rows that are settled, by all runs; 0 in a dry run. */
  readonly rows: number;
  /** Why nothing goes on just now. */
  readonly waitingFor: string | undefined;
}

export interface LoadOptions {
  readonly url: string;
  readonly apiKey: string | undefined;
  readonly fields: FormFields;
  readonly batchId: string | undefined;
  readonly signal: AbortSignal;
  readonly onState: (state: LoadState) => void;
}

const POLL_MS = 500;
/** Refusals that say what is wrong with the command; everything else is about the file. */
const UNUSABLE =
  /:(?:unauthorized|forbidden|invalid-mapping|unknown-kind|wrong-[a-z-]+|unsupported-file|batch-differs|part-too-large)$/;

/**
 * Sends a file as a batch, again and again until it is answered by something other than "later".
 *
 * Delivery: with a `batchId` each row is kept once, however often the file is sent and whoever is killed meanwhile.
 *
 * @throws {SimulatorError} `refused` for what a flag or a mapping mends, `aborted` when the signal is
 */
export async function loadFile(file: InputFile, options: LoadOptions): Promise<Loaded> {
  const { batchId, signal } = options;
  let state: LoadState = { sentBytes: 0, rows: 0, waitingFor: undefined };
  const show = (change: Partial<LoadState>) => {
    state = { ...state, ...change };
    options.onState(state);
  };
  const ask = (path: string, rest: Pick<Exchange, 'method'> & Partial<Exchange>) =>
    attempt(() => {
      const authorization = options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` };
      return exchange({
        ...rest,
        url: new URL(path, options.url),
        headers: { ...authorization, ...rest.headers },
        signal,
      });
    }, signal);

  const progressPath = `/v1/batches/${encodeURIComponent(batchId ?? '')}`;
  if (batchId !== undefined) {
    const known = await untilAnswered(() => ask(progressPath, { method: 'GET' }));
    if (known.status === 200 && (known.body as Loaded).done) return loaded(file, options, known.body as object);
  }
  const polling = new AbortController();
  const polled = batchId === undefined ? undefined : poll();
  try {
    const answer = await untilAnswered(() => {
      const form = batchForm(file, options.fields, (sentBytes) => show({ sentBytes, waitingFor: undefined }));
      return ask('/v1/batches', { method: 'POST', headers: form.headers, body: form.body });
    });
    return readAnswer(file, options, answer);
  } finally {
    polling.abort();
    await polled;
  }

  function untilAnswered(once: () => Promise<ExchangeAnswer | Outage>): Promise<ExchangeAnswer> {
    return untilDone(async () => {
      const answer = await once();
      if ('outage' in answer) {
        show({ waitingFor: answer.outage });
        return { retryAfterMs: 0 };
      }
      if (!isLater(answer.status)) return { value: answer };
      show({ waitingFor: titleOf(answer) });
      return { retryAfterMs: answer.retryAfterMs };
    }, signal);
  }

  /** How many rows are settled, for whoever watches. */
  async function poll(): Promise<void> {
    while (!polling.signal.aborted && !signal.aborted) {
      const answer = await ask(progressPath, { method: 'GET' });
      if ('status' in answer && answer.status === 200) show({ rows: (answer.body as Loaded).received });
      await sleep(POLL_MS, undefined, { signal: polling.signal }).catch(() => undefined);
    }
  }
}

interface Outage {
  readonly outage: string;
}

async function attempt(once: () => Promise<ExchangeAnswer>, signal: AbortSignal): Promise<ExchangeAnswer | Outage> {
  try {
    return await once();
  } catch (error) {
    if (signal.aborted) throw new SimulatorError('aborted', 'stopped while sending', { cause: error });
    if (error instanceof SimulatorError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    // Errors of the connection have a code; anything else is a fault of ours.
    if (code === undefined) throw error;
    return { outage: `nobody answers (${code})` };
  }
}

function isLater(status: number): boolean {
  return status === 503 || status === 502 || status === 504 || status === 429 || status === 408;
}

function readAnswer(file: InputFile, options: LoadOptions, answer: ExchangeAnswer): Loaded {
  const body = (typeof answer.body === 'object' && answer.body !== null ? answer.body : {}) as {
    type?: string;
    detail?: string;
    line?: number;
    problems?: readonly { field: string; message: string }[];
  };
  if (answer.status === 200) return loaded(file, options, body);
  const { type = '', detail = `ingest answers ${answer.status}` } = body;
  if (UNUSABLE.test(type) || answer.status === 404) {
    const problems = (body.problems ?? []).map(({ field, message }) => `\n  ${field}: ${message}`).join('');
    throw new SimulatorError('refused', `${file.path}: ${detail}${problems}`);
  }
  const where = body.line === undefined ? '' : `line ${body.line}: `;
  return loaded(file, options, { ...body, failure: `${where}${detail}` });
}

function loaded(file: InputFile, { batchId, fields }: LoadOptions, answer: object): Loaded {
  const counts = answer as Partial<Loaded>;
  return {
    file: file.path,
    ...(batchId === undefined ? {} : { batch_id: batchId }),
    dry_run: fields.dry_run === 'true',
    done: counts.done ?? false,
    received: counts.received ?? 0,
    accepted: counts.accepted ?? 0,
    rejected: counts.rejected ?? 0,
    skipped: counts.skipped ?? 0,
    events: counts.events ?? 0,
    problems: counts.problems ?? [],
    problems_omitted: counts.problems_omitted ?? 0,
    unused_columns: counts.unused_columns ?? [],
    resumed_after_line: counts.resumed_after_line ?? 0,
    ...(counts.failure === undefined ? {} : { failure: counts.failure }),
  };
}

function titleOf({ body, status }: ExchangeAnswer): string {
  const { title } = (typeof body === 'object' && body !== null ? body : {}) as { title?: unknown };
  return typeof title === 'string' ? title : `status ${status}`;
}
