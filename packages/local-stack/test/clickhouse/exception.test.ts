import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClickHouseException, httpStatus, parseException } from '../../src/clickhouse/exception.ts';

test('an engine error is read into code, type and message', () => {
  const exception = parseException(
    "Code: 60. DB::Exception: Unknown table expression identifier 'x' in scope SELECT * FROM x. (UNKNOWN_TABLE)",
  );
  assert.equal(exception.code, 60);
  assert.equal(exception.type, 'UNKNOWN_TABLE');
  assert.equal(exception.message, "Unknown table expression identifier 'x' in scope SELECT * FROM x.");
  assert.equal(
    exception.toText('26.7.2.1'),
    "Code: 60. DB::Exception: Unknown table expression identifier 'x' in scope SELECT * FROM x. (UNKNOWN_TABLE) (version 26.7.2.1)\n",
  );
});

test('an error wrapped twice is told once', () => {
  const exception = parseException(
    'Code: 108. DB::Exception: Code: 108. DB::Exception: No data to insert. (NO_DATA_TO_INSERT) (version 26.7.2.1). (NO_DATA_TO_INSERT)',
  );
  assert.deepEqual([exception.code, exception.type], [108, 'NO_DATA_TO_INSERT']);
  assert.doesNotMatch(exception.message, /Code:/);
});

test('brackets and lines inside a message stay in it', () => {
  const exception = parseException(
    'Code: 27. DB::Exception: Cannot parse (at row 2)\n: While executing. (CANNOT_PARSE_X)',
  );
  assert.equal(exception.message, 'Cannot parse (at row 2)\n: While executing.');
});

test('what is no ClickHouse error becomes a failure of the engine', () => {
  assert.deepEqual(
    [parseException('boom').code, parseException('boom').type, parseException('boom').message],
    [1002, 'UNKNOWN_ENGINE_FAILURE', 'boom'],
  );
});

test('the status of an error is the one ClickHouse answers with', () => {
  const statuses: readonly (readonly [string, number])[] = [
    ['REQUIRED_PASSWORD', 401],
    ['AUTHENTICATION_FAILED', 403],
    ['SYNTAX_ERROR', 400],
    ['CANNOT_PARSE_TEXT', 400],
    ['UNKNOWN_TABLE', 404],
    ['UNKNOWN_SETTING', 404],
    ['QUERY_IS_TOO_LARGE', 413],
    ['NOT_IMPLEMENTED', 501],
    ['TIMEOUT_EXCEEDED', 408],
    ['READONLY', 500],
    ['MEMORY_LIMIT_EXCEEDED', 500],
  ];
  for (const [type, status] of statuses) assert.equal(httpStatus(type), status, type);
});

test('a full line may be tried again, a syntax error not', () => {
  assert.equal(new ClickHouseException('TOO_MANY_SIMULTANEOUS_QUERIES', '').retriable, true);
  assert.equal(new ClickHouseException('SYNTAX_ERROR', '').retriable, false);
});
