import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeStatement, killByRequestId, outsideCall } from '../../src/clickhouse/statement.ts';

test('the keyword is the first word behind blanks, comments and brackets of no meaning', () => {
  const keywords: readonly (readonly [string, string])[] = [
    ['select 1', 'SELECT'],
    ['  -- INSERT\n /* DROP */ # SET\n With x AS (SELECT 1) SELECT *', 'WITH'],
    ['(SELECT 1)', '('],
    ['INSERT INTO t VALUES (1)', 'INSERT'],
    ['', ''],
    ['-- only a comment', ''],
    ['/* not closed', ''],
  ];
  for (const [sql, keyword] of keywords) assert.equal(describeStatement(sql).keyword, keyword, sql);
});

test('the format is that of the statement, not one in a quote, a comment, a name or a subquery', () => {
  const formats: readonly (readonly [string, string | undefined])[] = [
    ['SELECT 1 FORMAT JSON', 'JSON'],
    ['SELECT 1 format JSONEachRow;', 'JSONEachRow'],
    ['SELECT 1 FORMAT CSV SETTINGS max_threads = 1', 'CSV'],
    ["SELECT 'x FORMAT JSON'", undefined],
    ["SELECT 'it''s \\' FORMAT JSON'", undefined],
    ['SELECT 1 -- FORMAT JSON', undefined],
    ['SELECT $$ FORMAT JSON $$, $a$ FORMAT $$ XML $a$', undefined],
    ['SELECT `FORMAT` JSON', undefined],
    ["SELECT f(FORMAT x), 'q'", undefined],
    ['INSERT INTO t FORMAT JSONEachRow {"a": "SELECT 1 FORMAT CSV"}', undefined],
  ];
  for (const [sql, format] of formats) assert.equal(describeStatement(sql).format, format, sql);
});

test('files are seen where they are meant, and not in the data of an INSERT', () => {
  assert.equal(describeStatement("SELECT 1 INTO OUTFILE 'x'").usesFile, true);
  assert.equal(describeStatement("INSERT INTO t FROM INFILE 'x' FORMAT CSV").usesFile, true);
  assert.equal(describeStatement("SELECT 'INTO OUTFILE'").usesFile, false);
  assert.equal(describeStatement('INSERT INTO t FORMAT TSV\nINTO OUTFILE').usesFile, false);
});

test('an INSERT that takes its rows from a SELECT is told from one that brings them', () => {
  assert.equal(describeStatement('INSERT INTO t SELECT 1').hasSelect, true);
  assert.equal(describeStatement('INSERT INTO t (select_at) FORMAT CSV\nSELECT').hasSelect, false);
  assert.equal(describeStatement("INSERT INTO t VALUES ('SELECT')").hasSelect, false);
});

test('calls that reach out of the database are found by name', () => {
  assert.equal(outsideCall(describeStatement("SELECT * FROM File ('/etc/passwd')")), 'file');
  assert.equal(outsideCall(describeStatement("SELECT * FROM (SELECT * FROM url('http://x'))")), 'url');
  assert.equal(outsideCall(describeStatement("SELECT file FROM t WHERE x IN ('url(')")), undefined);
});

test('KILL QUERY finds a query by the id of its request', () => {
  assert.equal(
    killByRequestId("KILL QUERY WHERE query_id = 'a' SYNC"),
    "KILL QUERY WHERE Settings['log_comment'] = 'a' SYNC",
  );
});

test('any text is described in linear time, and quoting it hides it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      describeStatement(text);
      const quoted = text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
      const { keyword, format, usesFile } = describeStatement(`SELECT '${quoted}' AS x`);
      assert.deepEqual({ keyword, format, usesFile }, { keyword: 'SELECT', format: undefined, usesFile: false });
    }),
  );
  assert.equal(describeStatement(`SELECT '${"\\'".repeat(200_000)}`).keyword, 'SELECT');
});
