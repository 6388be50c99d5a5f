import assert from 'node:assert/strict';
import { eventually } from './eventually.ts';
import type { Platform } from './platform.ts';

const REQUEST_MS_MAX = 20_000;

export type Json = Record<string, unknown>;

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test asserts on what is in there
  readonly body: any;
}

/** Posts a body once, whatever becomes of it. A body that is no text or bytes is sent as JSON. */
export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: isRaw ? (body as string) : JSON.stringify(body),
    signal: AbortSignal.timeout(REQUEST_MS_MAX),
  });
  return answerOf(response);
}

/** Sends payments as a good client does: the same ones again, until they are accepted. */
export async function pay(platform: Platform, payments: Json | Json[], headers: Record<string, string> = {}) {
  await eventually(async () => {
    const { status, body } = await post(`${platform.ingest}/v1/payments`, payments, headers);
    assert.equal(status, 202, JSON.stringify(body));
  });
}

/** Sends lines to the batch route until all are accepted. */
export async function load(platform: Platform, kind: string, lines: readonly Json[]): Promise<void> {
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  await eventually(async () => {
    const url = `${platform.ingest}/v1/batches?kind=${kind}`;
    const { status, body } = await post(url, text, { 'content-type': 'application/x-ndjson' });
    assert.deepEqual([status, body.accepted, body.rejected], [200, lines.length, 0], JSON.stringify(body));
  });
}

/** Asks the API once. @throws {AssertionError} when the answer is not 200 */
export async function ask(platform: Platform, path: string) {
  const { status, body } = await get(`${platform.api}${path}`);
  assert.equal(status, 200, `${path}: ${JSON.stringify(body)}`);
  return body;
}

/** What the API says of payment and decision, once it knows of both. */
export function decided(platform: Platform, transactionId: string) {
  return eventually(async () => ({
    payment: await ask(platform, `/v1/payments/${transactionId}`),
    decision: await ask(platform, `/v1/decisions/${transactionId}`),
  }));
}

/** Where a query goes; tables without a database of their own are in `database`. */
export interface Tables {
  readonly clickhouse: string;
  readonly database?: string;
}

/** Rows of a ClickHouse query; `{name:Type}` in it stands for a parameter. */
export async function select(
  { clickhouse, database = 'millrace' }: Tables,
  sql: string,
  parameters: Record<string, string | number> = {},
  // biome-ignore lint/suspicious/noExplicitAny: a test asserts on what is in there
): Promise<any[]> {
  const format = { default_format: 'JSONEachRow', output_format_json_quote_64bit_integers: '0' };
  const query = new URLSearchParams({ ...format, database });
  for (const [name, value] of Object.entries(parameters)) query.set(`param_${name}`, String(value));
  const response = await fetch(`${clickhouse}/?${query}`, {
    method: 'POST',
    body: sql,
    signal: AbortSignal.timeout(REQUEST_MS_MAX),
  });
  const text = await response.text();
  assert.ok(response.ok, `${sql}: ${text}`);
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
}

/** Rows and distinct transactions of a table, among those whose id begins with `prefix`. */
export async function countOf(platform: Tables, table: string, prefix: string) {
  const sql = `SELECT count() AS rows, uniqExact(transaction_id) AS distinct FROM millrace.${table} WHERE startsWith(transaction_id, {prefix:String})`;
  const [counts] = await select(platform, sql, { prefix });
  return counts as { rows: number; distinct: number };
}

/** Sum of the samples of a metric that carry all of these labels. */
export async function metric(url: string, name: string, labels: Record<string, string>): Promise<number> {
  const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(REQUEST_MS_MAX) });
  const samples = (await response.text()).split('\n').filter((line) => line.startsWith(`${name}{`));
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const matching = samples.filter((sample) => wanted.every((label) => sample.includes(label)));
  return matching.reduce((sum, sample) => sum + Number(sample.slice(sample.lastIndexOf(' ') + 1)), 0);
}

export async function get(url: string): Promise<Answer> {
  return answerOf(await fetch(url, { signal: AbortSignal.timeout(REQUEST_MS_MAX) }));
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const contentType = response.headers.get('content-type') ?? '';
  return { status: response.status, contentType, body: contentType.includes('json') ? JSON.parse(text) : text };
}
