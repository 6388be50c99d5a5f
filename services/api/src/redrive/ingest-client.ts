import { readFile } from 'node:fs/promises';
import type { StoredLetter } from '@millrace/warehouse';
import { ApiError } from '../errors.ts';

/** What ingest says of a letter. Nothing here depends on what else is in it: it is handed on as it is. */
export interface RedriveResult {
  readonly id: string;
  readonly status: RedriveStatus;
  readonly [detail: string]: unknown;
}

export const REDRIVE_STATUSES = [
  'redriven',
  'redrivable',
  'already-redriven',
  'refused-again',
  'not-redrivable',
] as const;
export type RedriveStatus = (typeof REDRIVE_STATUSES)[number];

/** Sends letters to where events come in. @throws {ApiError} `ingest-unavailable`; what was done is not done twice. */
export type RedriveThroughIngest = (letters: readonly StoredLetter[], dryRun: boolean) => Promise<RedriveResult[]>;

export interface IngestClientOptions {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /** A file that holds an API key with the scope `redrive:write`; read for each request, so that it can be replaced. */
  readonly apiKeyFile?: string | undefined;
}

/** A redrive may wait for a transaction that was left open, and for others who redrive. */
const REQUEST_MS_MAX = 60_000;
/** Below the 4 MiB that ingest takes as a body. A single letter may be larger than the rest of the limit, not than ingest's. */
export const BODY_BYTES_MAX = 3_500_000;
/** What ingest takes in one request. */
export const LETTERS_MAX = 200;

/** Speaks to `POST /v1/redrive` of ingest, which is the only way into the topics of events. */
export function createIngestClient({ url, apiKeyFile }: IngestClientOptions): RedriveThroughIngest {
  async function post(body: string): Promise<RedriveResult[]> {
    try {
      const key = apiKeyFile === undefined ? undefined : (await readFile(apiKeyFile, 'utf8')).trim();
      const answer = await fetch(new URL('/v1/redrive', url), {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(key !== undefined && { authorization: `Bearer ${key}` }) },
        body,
        signal: AbortSignal.timeout(REQUEST_MS_MAX),
      });
      const said: unknown = await answer.json();
      if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(said).slice(0, 500)}`);
      return (said as { results: RedriveResult[] }).results;
    } catch (cause) {
      throw new ApiError('ingest-unavailable', `ingest at ${url} did not redrive: ${String(cause)}`, { cause });
    }
  }

  return async (letters, dryRun) => {
    const results: RedriveResult[] = [];
    for (const part of inBodies(letters.map((letter) => JSON.stringify(toRequest(letter))))) {
      results.push(...(await post(`{"dry_run":${dryRun},"letters":[${part.join(',')}]}`)));
    }
    return results;
  };
}

/** A letter as ingest wants it: what all stages have said of the record, as one. */
function toRequest({ id, origin, key, headers, value_base64, failures, first_failed_at }: StoredLetter) {
  return {
    id,
    origin,
    stages: failures.map(({ stage }) => stage),
    ...(key !== undefined && { key }),
    headers,
    value_base64,
    failed_at: first_failed_at,
  };
}

/** Letters in their order, as many to a body as it takes. */
export function* inBodies(letters: readonly string[]): Generator<string[]> {
  let part: string[] = [];
  let bytes = 0;
  for (const letter of letters) {
    const size = Buffer.byteLength(letter);
    if (part.length > 0 && (bytes + size > BODY_BYTES_MAX || part.length >= LETTERS_MAX)) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(letter);
    bytes += size;
  }
  if (part.length > 0) yield part;
}
