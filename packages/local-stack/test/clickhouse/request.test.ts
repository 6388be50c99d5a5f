import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRequest } from '../../src/clickhouse/request.ts';
import { preambleSql } from '../../src/clickhouse/settings.ts';

const parse = (query: Record<string, string>, more: { method?: string; headers?: Record<string, string> } = {}) =>
  parseRequest({ method: 'POST', headers: {}, ...more, parameters: new URLSearchParams(query) });

test('parameters of the interface, values of placeholders and settings are told apart', () => {
  const request = parse({
    query: 'SELECT 1',
    query_id: 'q',
    database: 'd',
    default_format: 'JSON',
    session_id: 's',
    session_timeout: '90',
    wait_end_of_query: '1',
    param_a: '1',
    max_threads: '2',
    insert_deduplication_token: 't',
  });
  assert.equal(request.query, 'SELECT 1');
  assert.equal(request.queryId, 'q');
  assert.equal(request.database, 'd');
  assert.equal(request.defaultFormat, 'JSON');
  assert.deepEqual(request.session, { id: 's', timeoutS: 90, mustExist: false });
  assert.equal(request.waitEndOfQuery, true);
  assert.deepEqual([...request.parameters], [['a', '1']]);
  assert.deepEqual(
    [...request.settings],
    [
      ['max_threads', '2'],
      ['insert_deduplication_token', 't'],
    ],
  );
});

test('what is not said has its default', () => {
  const request = parse({});
  assert.equal(request.defaultFormat, 'TabSeparated');
  assert.equal(request.session, undefined);
  assert.equal(request.clientProtocolVersion, 0);
  assert.match(request.queryId, /^[0-9a-f-]{36}$/);
});

test('database and format may come by header', () => {
  const request = parse({}, { headers: { 'x-clickhouse-database': 'd', 'x-clickhouse-format': 'CSV' } });
  assert.deepEqual([request.database, request.defaultFormat], ['d', 'CSV']);
});

test('GET and HEAD only read', () => {
  assert.equal(parse({}, { method: 'GET' }).readOnly, true);
  assert.equal(parse({}, { method: 'HEAD' }).readOnly, true);
  assert.equal(parse({}).readOnly, false);
});

test('what cannot be done is refused with what to do instead', () => {
  assert.throws(() => parse({ compress: '1' }), { type: 'NOT_IMPLEMENTED', message: /enable_http_compression=1/ });
  assert.throws(() => parse({ role: 'admin' }), { type: 'NOT_IMPLEMENTED' });
  assert.throws(() => parse({ session_id: 's', session_timeout: '3601' }), { type: 'BAD_ARGUMENTS', message: /3600/ });
  assert.throws(() => parse({ session_id: 's', session_timeout: '-1' }), { type: 'BAD_ARGUMENTS' });
});

test('a connection is prepared by statements that quote every value, read-only last', () => {
  const sql = preambleSql({
    database: 'a`b\\',
    settings: new Map([['log_queries', "x' OR '\\"]]),
    parameters: new Map([['p', "it's"]]),
    queryId: 'id',
    readOnly: true,
  });
  assert.equal(
    sql,
    "USE `a\\`b\\\\`; SET log_comment = 'id', log_queries = 'x\\' OR \\'\\\\', param_p = 'it\\'s', readonly = 2; ",
  );
});

test('a name that is none never gets into a statement', () => {
  const settings = new Map([['x = 1; DROP TABLE t; SET y', '1']]);
  const preamble = { database: undefined, settings, parameters: new Map(), queryId: 'id', readOnly: false };
  assert.throws(() => preambleSql(preamble), { type: 'BAD_ARGUMENTS' });
});
