// The HTTP interface as curl, Grafana and others see it.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { post, run, type ServerProcess, startServer } from './server-process.ts';

describe('the HTTP interface', () => {
  let dataDir: string;
  let server: ServerProcess;

  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'millrace-clickhouse-'));
    const env = { CLICKHOUSE_READONLY_PASSWORD: 'look:only' };
    server = await startServer(dataDir, { env });
    await run(server.url, 'CREATE TABLE t (id UInt64, name String) ENGINE = MergeTree ORDER BY id');
  });
  after(async () => {
    await server.stop('SIGTERM');
    await rm(dataDir, { recursive: true, force: true });
  });

  it('says Ok. on the paths of a health check', async () => {
    for (const path of ['/', '/ping', '/replicas_status']) {
      const response = await fetch(server.url + path);
      assert.deepEqual([response.status, await response.text()], [200, 'Ok.\n'], path);
    }
    assert.equal((await fetch(`${server.url}/nowhere`)).status, 404);
    assert.equal((await fetch(server.url, { method: 'DELETE' })).status, 501);
  });

  it('takes the query from the URL, the body, or both', async () => {
    assert.equal(await (await fetch(`${server.url}/?query=SELECT%201`)).text(), '1\n');
    assert.equal(await run(server.url, 'SELECT 2'), '2\n');
    assert.equal(await run(server.url, '+ 2', { query: 'SELECT 1' }), '3\n');
    assert.equal(await run(server.url, 'SELECT 4 -- the end;'), '4\n');
    assert.equal(await run(server.url, 'SELECT 5;\n'), '5\n');
  });

  it('takes the format from the query, else from the URL, else TabSeparated', async () => {
    const formats = async (query: string, parameters = {}) =>
      (await post(server.url, query, parameters)).headers.get('x-clickhouse-format');
    assert.equal(await formats('SELECT 1'), 'TabSeparated');
    assert.equal(await formats('SELECT 1', { default_format: 'JSON' }), 'JSON');
    assert.equal(
      await formats("SELECT 'FORMAT Native' /* FORMAT XML */ FORMAT CSV", { default_format: 'JSON' }),
      'CSV',
    );
  });

  it('answers with its headers', async () => {
    const { headers } = await post(server.url, 'SELECT 1 FORMAT JSON', { query_id: 'mine' });
    assert.equal(headers.get('x-clickhouse-query-id'), 'mine');
    assert.equal(headers.get('content-type'), 'application/json; charset=UTF-8');
    assert.ok(headers.get('x-clickhouse-timezone'));
    const inserted = await post(server.url, '{"id":1,"name":"a"}\n{"id":2,"name":"b"}', {
      query: 'INSERT INTO t FORMAT JSONEachRow',
    });
    const summary = JSON.parse(inserted.headers.get('x-clickhouse-summary') ?? '');
    assert.equal(summary.written_rows, '2');
    assert.match(summary.elapsed_ns, /^[1-9]\d+$/);
  });

  it('answers an error with its code, its status and its text', async () => {
    const cases = [
      ['SELECT * FROM nowhere', 404, '60', /^Code: 60\. DB::Exception: .*\(UNKNOWN_TABLE\) \(version [\d.]+\)\n$/s],
      ['SELECT FROM WHERE', 400, '62', /\(SYNTAX_ERROR\)/],
      ["SELECT toUInt8('x')", 400, '6', /\(CANNOT_PARSE_TEXT\)/],
      ['SELECT 1; SELECT 2', 400, '62', /Multi-statements are not allowed/],
      ["SELECT 1 INTO OUTFILE '/tmp/no'", 500, '348', /\(INTO_OUTFILE_NOT_ALLOWED\)/],
      ['SELECT throwIf(1)', 500, '395', /FUNCTION_THROW_IF_VALUE_IS_NON_ZERO/],
      ['SELECT {missing:UInt8}', 500, '456', /\(UNKNOWN_QUERY_PARAMETER\)/],
      ['', 400, '62', /Empty query/],
    ] as const;
    for (const [query, status, code, text] of cases) {
      const response = await post(server.url, query);
      assert.equal(response.status, status, query);
      assert.equal(response.headers.get('x-clickhouse-exception-code'), code, query);
      assert.match(await response.text(), text);
    }
    const slow = await post(server.url, 'SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1', {
      max_execution_time: '0.2',
    });
    assert.equal(slow.status, 408);
    assert.equal((await post(server.url, 'SELECT 1', { no_such_setting: '1' })).status, 404);
    assert.equal((await post(server.url, 'SELECT 1', { database: 'nowhere' })).status, 404);
  });

  it('never writes by GET, whatever the URL says', async () => {
    const before = await run(server.url, 'SELECT count() FROM t');
    for (const query of ["INSERT INTO t VALUES (9, 'x')", 'CREATE TABLE u (a Int8) ENGINE = Memory', 'DROP TABLE t']) {
      for (const more of ['', '&readonly=0', '&session_id=get']) {
        const response = await fetch(`${server.url}/?query=${encodeURIComponent(query)}${more}`);
        assert.equal(response.headers.get('x-clickhouse-exception-code'), '164', query + more);
      }
    }
    assert.equal(await run(server.url, 'SELECT count() FROM t'), before);
    const head = await fetch(`${server.url}/?query=SELECT%201`, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);
  });

  it('knows its users by header, basic auth and URL', async () => {
    const query = 'SELECT 1';
    const basic = (text: string) => ({ headers: { Authorization: `Basic ${Buffer.from(text).toString('base64')}` } });
    const status = async (parameters: Record<string, string>, init: RequestInit = {}) =>
      (await post(server.url, query, parameters, init)).status;
    assert.equal(await status({}), 200);
    assert.equal(await status({ user: 'readonly', password: 'look:only' }), 200);
    assert.equal(await status({}, basic('readonly:look:only')), 200);
    const headers = { 'X-ClickHouse-User': 'readonly', 'X-ClickHouse-Key': 'look:only' };
    assert.equal(await status({}, { headers }), 200);
    assert.equal(await status({ user: 'readonly' }), 403);
    assert.equal(await status({}, basic('readonly:wrong')), 403);
    assert.equal(await status({ user: 'nobody' }), 403);
  });

  it('lets a read-only user read and choose settings, and nothing else', async () => {
    const ask = async (query: string, parameters = {}) => {
      const answer = await post(server.url, query, { user: 'readonly', password: 'look:only', ...parameters });
      return answer.headers.get('x-clickhouse-exception-code') ?? (await answer.text());
    };
    assert.equal(await ask('SELECT 1 SETTINGS max_threads = 1', { max_execution_time: '60' }), '1\n');
    assert.equal(await ask("INSERT INTO t VALUES (9, 'x')"), '164');
    assert.equal(await ask('INSERT INTO t SELECT 9'), '164');
    assert.equal(await ask('DROP TABLE t', { readonly: '0' }), '164');
    assert.equal(await ask('SET readonly = 0'), '164');
    assert.equal(await ask("SELECT * FROM file('/etc/hostname', 'LineAsString')"), '497');
    assert.equal(await ask('SELECT 1', { session_id: 'r' }), '1\n');
    assert.equal(await ask('CREATE TABLE u (a Int8) ENGINE = Memory', { session_id: 'r' }), '164');
    assert.equal(await ask('SELECT 2', { session_id: 'r' }), '2\n');
  });

  it('unpacks requests and packs answers', async () => {
    const rows = '{"id":101,"name":"gz"}';
    const query = 'INSERT INTO t FORMAT JSONEachRow';
    for (const [encoding, body] of [
      ['gzip', gzipSync(rows)],
      ['zstd', zstdCompressSync(rows)],
    ] as const) {
      const response = await post(server.url, body, { query }, { headers: { 'Content-Encoding': encoding } });
      assert.equal(response.status, 200, await response.text());
    }
    assert.equal(await run(server.url, 'SELECT count() FROM t WHERE id = 101'), '2\n');
    const broken = await post(server.url, 'no gzip', { query }, { headers: { 'Content-Encoding': 'gzip' } });
    assert.equal(broken.headers.get('x-clickhouse-exception-code'), '117');

    for (const select of ['SELECT number FROM numbers(3)', 'SELECT number FROM numbers(3) FORMAT JSONCompactColumns']) {
      const plain = await run(server.url, select);
      const packed = await rawGet(`/?enable_http_compression=1&query=${encodeURIComponent(select)}`, 'gzip');
      assert.equal(packed.encoding, 'gzip');
      assert.equal(gunzipSync(packed.body).toString(), plain);
      assert.equal((await rawGet(`/?query=${encodeURIComponent(select)}`, 'gzip')).encoding, undefined);
    }
  });

  it('takes a body up to its limit and says so beyond it', async () => {
    const response = await post(server.url, Buffer.alloc(129 * 1024 * 1024, 0x20), { query: 'INSERT INTO t VALUES' });
    assert.equal(response.status, 413);
    assert.match(await response.text(), /larger than 128 MiB/);
    const bomb = gzipSync(Buffer.alloc(129 * 1024 * 1024));
    const init = { headers: { 'Content-Encoding': 'gzip' } };
    assert.equal((await post(server.url, bomb, { query: 'INSERT INTO t VALUES' }, init)).status, 413);
    const chunks = ReadableStream.from(Array.from({ length: 129 }, () => Buffer.alloc(1024 * 1024, 0x20)));
    const url = `${server.url}/?query=${encodeURIComponent('INSERT INTO t VALUES')}`;
    assert.equal((await fetch(url, { method: 'POST', body: chunks, duplex: 'half' })).status, 413, 'of unknown length');
  });

  it('takes a URL of half a megabyte', async () => {
    const long = `SELECT length('${'x'.repeat(500_000)}')`;
    assert.equal(await (await fetch(`${server.url}/?query=${encodeURIComponent(long)}`)).text(), '500000\n');
  });

  it('takes the query and parameters of a megabyte as a form', async () => {
    const form = new FormData();
    form.set('query', 'SELECT length({ids:Array(String)}), {n:UInt8}');
    form.set('param_ids', `[${Array.from({ length: 60_000 }, (_, i) => `'transaction-${i}'`)}]`);
    const response = await fetch(`${server.url}/?param_n=7`, { method: 'POST', body: form });
    assert.equal(await response.text(), '60000\t7\n');
  });

  it('writes nothing of an INSERT that has a bad row', async () => {
    const body = '{"id":7001,"name":"good"}\n{"id":"bad"}\n';
    const response = await post(server.url, body, { query: 'INSERT INTO t FORMAT JSONEachRow' });
    assert.equal(response.status, 400);
    assert.equal(await run(server.url, 'SELECT count() FROM t WHERE id = 7001'), '0\n');
  });

  it('takes rows in Native, RowBinary, CSV and VALUES, in the URL or behind the statement', async () => {
    await run(server.url, 'CREATE TABLE f (id UInt64, name String) ENGINE = MergeTree ORDER BY id');
    const native = await (await post(server.url, "SELECT toUInt64(1) AS id, 'n' AS name FORMAT Native")).arrayBuffer();
    await run(server.url, new Uint8Array(native), { query: 'INSERT INTO f FORMAT Native' });
    const binary = Uint8Array.from([2, 0, 0, 0, 0, 0, 0, 0, 1, 0x72]);
    await run(server.url, binary, { query: 'INSERT INTO f FORMAT RowBinary' });
    await run(server.url, '/* c */ INSERT INTO f FORMAT CSV\n3,"a;b"\n4,c\n');
    await run(server.url, "INSERT INTO f VALUES (5, 'it''s; fine')");
    await run(server.url, "(6, 'v')", { query: 'INSERT INTO f VALUES' });
    await run(server.url, 'INSERT INTO f SELECT id + 100, name FROM f WHERE id = 6');
    assert.equal(
      await run(server.url, 'SELECT * FROM f ORDER BY id FORMAT CSV'),
      `1,"n"\n2,"r"\n3,"a;b"\n4,"c"\n5,"it's; fine"\n6,"v"\n106,"v"\n`,
    );
  });

  it('locks a session while it is used, and ends it when it is idle', async () => {
    const sleeping = run(server.url, 'SELECT sleep(1)', { session_id: 's', session_timeout: '1' });
    let locked = await post(server.url, 'SELECT 1', { session_id: 's' });
    // Until the first request has reached the server.
    while (locked.ok) locked = await post(server.url, 'SELECT 1', { session_id: 's' });
    assert.equal(locked.headers.get('x-clickhouse-exception-code'), '373');
    await sleeping;
    await run(server.url, 'CREATE TEMPORARY TABLE x (a Int8)', { session_id: 'other', session_timeout: '1' });
    let check = 200;
    while (check === 200) {
      await new Promise((resolve) => setTimeout(resolve, 1_300));
      check = (await post(server.url, 'SELECT 1', { session_id: 'other', session_check: '1', session_timeout: '1' }))
        .status;
    }
    assert.equal(check, 500);
  });

  it('refuses what a page of another site sends', async () => {
    const headers = { Origin: 'http://evil.example' };
    assert.equal((await post(server.url, 'SELECT 1', {}, { headers })).status, 403);
  });

  it('says that it cannot do block compression', async () => {
    const response = await post(server.url, 'SELECT 1', { compress: '1' });
    assert.equal(response.status, 501);
    assert.match(await response.text(), /enable_http_compression/);
  });

  it('refuses an INSERT through input(), which the engine would lose', async () => {
    const query = "INSERT INTO t SELECT id, 'x' FROM input('id UInt64') FORMAT CSV";
    assert.equal((await post(server.url, '1\n', { query })).status, 501);
  });

  it('answers what Grafana asks when it connects and explores', async () => {
    const grafana = { user: 'readonly', password: 'look:only', max_execution_time: '60' };
    for (const query of [
      'SELECT displayName(), version(), revision(), timezone()',
      'SELECT name FROM system.databases',
      "SELECT name FROM system.tables WHERE database = 'default'",
      'DESCRIBE TABLE "default"."t"',
      "SELECT name, type, table FROM system.columns WHERE database = 'default' AND table = 't'",
      'SELECT DISTINCT name FROM "default"."t" LIMIT 1000',
      'SHOW TABLES',
      'EXPLAIN SYNTAX SELECT * FROM t',
    ]) {
      for (const default_format of ['Native', 'JSON', 'JSONCompactEachRowWithNamesAndTypes']) {
        const answer = await post(server.url, query, { ...grafana, default_format, client_protocol_version: '54460' });
        assert.equal(answer.status, 200, `${query}: ${await answer.text()}`);
      }
    }
  });

  it('writes Native as a client of a newer protocol revision reads it', async () => {
    const query = 'SELECT toUInt8(number) AS n FROM numbers(2) FORMAT Native';
    const bytes = async (parameters: Record<string, string>) =>
      Buffer.from(await (await post(server.url, query, parameters)).arrayBuffer()).toString('hex');
    const columnHeader = '016e0555496e7438';
    assert.equal(await bytes({}), `0102${columnHeader}0001`);
    assert.equal(await bytes({ client_protocol_version: '54460' }), `010002ffffffff000102${columnHeader}000001`);
    const wide = `SELECT number, toString(number), toNullable(number), [number], map('k', [toLowCardinality('v')]),
      (number, 'x'), toLowCardinality(toNullable(toString(number))), toDecimal128(number, 2), now64(3), toFixedString('a', 3),
      CAST('b', 'Enum8(\\'a, (\\' = 1, \\'b\\' = 2)'), CAST([], 'Array(LowCardinality(String))'), generateUUIDv4()
      FROM numbers(1000) FORMAT Native`;
    const length = async (parameters: Record<string, string>) =>
      (await (await post(server.url, wide, parameters)).arrayBuffer()).byteLength;
    // One block: 8 bytes of block info, and one byte for each of 13 columns.
    assert.equal(await length({ client_protocol_version: '54460' }), (await length({})) + 8 + 13);
  });

  function rawGet(path: string, acceptEncoding: string): Promise<{ encoding: string | undefined; body: Buffer }> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(server.url + path, { headers: { 'Accept-Encoding': acceptEncoding } }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ encoding: response.headers['content-encoding'], body: Buffer.concat(chunks) }),
        );
      });
      request.on('error', reject).end();
    });
  }
});
