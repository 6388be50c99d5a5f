import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentType, streamableFormat, withoutLines } from '../../src/clickhouse/formats.ts';

test('formats that are more than their rows are not streamed', () => {
  for (const format of ['JSON', 'JSONCompact', 'Parquet', 'Pretty', 'XML', 'Values', 'RowBinaryWithNames']) {
    assert.equal(streamableFormat(format), undefined, format);
  }
  assert.deepEqual(streamableFormat('JSONEachRow'), { headerLines: 0 });
  assert.deepEqual(streamableFormat('TabSeparatedWithNamesAndTypes'), { headerLines: 2 });
});

test('the lines that name the columns are cut off', () => {
  const chunk = Buffer.from('["a"]\n["UInt8"]\n[1]\n[2]\n');
  assert.equal(withoutLines(chunk, 2).toString(), '[1]\n[2]\n');
  assert.equal(withoutLines(chunk, 0).toString(), chunk.toString());
  assert.equal(withoutLines(Buffer.from('["a"]\n'), 2).toString(), '');
});

test('each format has its media type', () => {
  assert.equal(contentType('JSON'), 'application/json; charset=UTF-8');
  assert.equal(contentType('JSONEachRow'), 'application/x-ndjson; charset=UTF-8');
  assert.equal(contentType('TSVWithNames'), 'text/tab-separated-values; charset=UTF-8');
  assert.equal(contentType('Native'), 'application/octet-stream');
  assert.equal(contentType('Vertical'), 'text/plain; charset=UTF-8');
});
