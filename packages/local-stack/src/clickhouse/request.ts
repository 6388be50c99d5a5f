import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { ClickHouseException } from './exception.ts';

/** A request to run a query, as its line and headers tell it; the body may add the query and its parameters. */
export interface QueryRequest {
  /** GET and HEAD only read. */
  readonly readOnly: boolean;
  readonly queryId: string;
  readonly database: string | undefined;
  readonly defaultFormat: string;
  /** The query of the URL: all of it, or the part before the body. */
  readonly query: string;
  readonly session: { readonly id: string; readonly timeoutS: number; readonly mustExist: boolean } | undefined;
  /** Send nothing before the query has ended. */
  readonly waitEndOfQuery: boolean;
  readonly compressResponse: boolean;
  readonly clientProtocolVersion: number;
  readonly settings: ReadonlyMap<string, string>;
  readonly parameters: ReadonlyMap<string, string>;
}

const SESSION_TIMEOUT_S_DEFAULT = 60;
const SESSION_TIMEOUT_S_MAX = 3_600;

/**
 * Reads the query string and the headers of a request.
 *
 * @throws ClickHouseException `BAD_ARGUMENTS`, `NOT_IMPLEMENTED` for ClickHouse's own block compression and for roles
 */
export function parseRequest(request: {
  method: string;
  parameters: URLSearchParams;
  headers: IncomingHttpHeaders;
}): QueryRequest {
  const { method, parameters: url, headers } = request;
  refuseUnsupported(url);
  const settings = new Map<string, string>();
  const parameters = new Map<string, string>();
  for (const [name, value] of url) {
    if (name.startsWith(PARAMETER_PREFIX)) parameters.set(name.slice(PARAMETER_PREFIX.length), value);
    else if (!OWN_PARAMETERS.has(name)) settings.set(name, value);
  }
  return {
    readOnly: method === 'GET' || method === 'HEAD',
    queryId: url.get('query_id') || randomUUID(),
    database: url.get('database') || header(headers, 'x-clickhouse-database') || undefined,
    defaultFormat: url.get('default_format') || header(headers, 'x-clickhouse-format') || 'TabSeparated',
    query: url.get('query') ?? '',
    session: parseSession(url),
    waitEndOfQuery: isOn(url.get('wait_end_of_query')),
    compressResponse: isOn(url.get('enable_http_compression')),
    clientProtocolVersion: wholeNumber(url, 'client_protocol_version', 0),
    settings,
    parameters,
  };
}

export const PARAMETER_PREFIX = 'param_';

/** Parameters of the HTTP interface itself; every other one is a setting of the query. */
const OWN_PARAMETERS: ReadonlySet<string> = new Set([
  'buffer_size',
  'client_protocol_version',
  'close_session',
  'compress',
  'database',
  'decompress',
  'default_format',
  'password',
  'query',
  'query_id',
  'quota_key',
  'role',
  'session_check',
  'session_id',
  'session_timeout',
  'stacktrace',
  'user',
  'wait_end_of_query',
]);

function refuseUnsupported(url: URLSearchParams): void {
  if (isOn(url.get('compress')) || isOn(url.get('decompress'))) {
    throw new ClickHouseException(
      'NOT_IMPLEMENTED',
      'This server does not do ClickHouse block compression (compress=1, decompress=1). Use HTTP compression: Content-Encoding for the request, enable_http_compression=1 with Accept-Encoding for the response',
    );
  }
  if (url.get('role')) throw new ClickHouseException('NOT_IMPLEMENTED', 'This server has no roles: leave out role');
}

function parseSession(url: URLSearchParams): QueryRequest['session'] {
  const id = url.get('session_id');
  if (!id) return undefined;
  const timeoutS = wholeNumber(url, 'session_timeout', SESSION_TIMEOUT_S_DEFAULT);
  if (timeoutS > SESSION_TIMEOUT_S_MAX) {
    throw new ClickHouseException('BAD_ARGUMENTS', `session_timeout is at most ${SESSION_TIMEOUT_S_MAX} seconds`);
  }
  return { id, timeoutS, mustExist: isOn(url.get('session_check')) };
}

function wholeNumber(url: URLSearchParams, name: string, missing: number): number {
  const text = url.get(name);
  if (!text) return missing;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new ClickHouseException('BAD_ARGUMENTS', `${name} takes a whole number, not ${JSON.stringify(text)}`);
}

function isOn(value: string | null): boolean {
  return value === '1' || value === 'true';
}

function header(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
