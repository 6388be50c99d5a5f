// An unmodified @clickhouse/client against the server.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClickHouseClient, ClickHouseError, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { run, type ServerProcess, startServer } from './server-process.ts';

// Many of these tests want an error; the client would print each.
const log = { level: ClickHouseLogLevel.OFF };

describe('@clickhouse/client', () => {
  let dataDir: string;
  let server: ServerProcess;
  let client: ClickHouseClient;

  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'millrace-clickhouse-'));
    server = await startServer(dataDir);
    client = createClient({ url: server.url, log, compression: { request: true, response: true } });
  });
  after(async () => {
    await client.close();
    await server.stop('SIGTERM');
    await rm(dataDir, { recursive: true, force: true });
  });

  it('pings, both ways', async () => {
    assert.deepEqual(await client.ping(), { success: true });
    assert.deepEqual(await client.ping({ select: true }), { success: true });
  });

  it('inserts rows and reads them back', async () => {
    await client.command({ query: 'CREATE TABLE payments (id UInt64, name String) ENGINE = MergeTree ORDER BY id' });
    const values = [
      { id: 1, name: 'Łódź' },
      { id: 2, name: "it's \\ \n" },
    ];
    const inserted = await client.insert({ table: 'payments', values, format: 'JSONEachRow' });
    assert.equal(inserted.summary?.written_rows, '2');
    const result = await client.query({ query: 'SELECT * FROM payments ORDER BY id', format: 'JSONEachRow' });
    assert.deepEqual(await result.json(), [
      { id: 1, name: 'Łódź' },
      { id: 2, name: "it's \\ \n" },
    ]);
  });

  it('inserts from a stream, and nothing from an empty one', async () => {
    await client.command({ query: 'CREATE TABLE streamed (id UInt64) ENGINE = MergeTree ORDER BY id' });
    const rows = Readable.from(Array.from({ length: 1_000 }, (_, id) => ({ id })));
    await client.insert({ table: 'streamed', values: rows, format: 'JSONEachRow' });
    const empty = Readable.from([], { objectMode: true });
    await client.insert({ table: 'streamed', values: empty, format: 'JSONEachRow' });
    assert.equal(await run(server.url, 'SELECT count(), sum(id) FROM streamed'), '1000\t499500\n');
  });

  it('streams a result of many chunks whole and in order', async () => {
    const result = await client.query({ query: 'SELECT number AS n FROM numbers(100000)', format: 'JSONEachRow' });
    let next = 0;
    for await (const rows of result.stream<{ n: number }>()) {
      for (const row of rows) {
        assert.equal(row.json().n, next);
        next += 1;
      }
    }
    assert.equal(next, 100_000);
  });

  it('names the columns of a streamed result once', async () => {
    const result = await client.query({
      query: 'SELECT number AS n FROM numbers(40000)',
      format: 'JSONCompactEachRowWithNamesAndTypes',
    });
    const lines = (await result.text()).trimEnd().split('\n');
    assert.equal(lines.length, 40_002);
    assert.deepEqual(lines.slice(0, 3), ['["n"]', '["UInt64"]', '[0]']);
    assert.equal(lines.filter((line) => line === '["n"]').length, 1);
  });

  it('answers the JSON formats', async () => {
    const result = await client.query({ query: "SELECT 1 AS a, 'x' AS b", format: 'JSON' });
    const { data, rows } = await result.json();
    assert.deepEqual({ data, rows }, { data: [{ a: 1, b: 'x' }], rows: 1 });
  });

  it('binds parameters of every kind, without a mix-up between clients at the same time', async () => {
    const ask = async (n: number) => {
      const result = await client.query({
        query: 'SELECT {n:UInt32} AS n, {s:String} AS s, {a:Array(UInt8)} AS a, {x:Nullable(String)} AS x',
        query_params: { n, s: `O'Brien\t\\${n}\n`, a: [1, 2], x: null },
        format: 'JSONEachRow',
      });
      return result.json();
    };
    const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => ask(n)));
    for (const [n, answer] of answers.entries()) {
      assert.deepEqual(answer, [{ n, s: `O'Brien\t\\${n}\n`, a: [1, 2], x: null }]);
    }
  });

  it('takes long parameters', async () => {
    const ids = Array.from({ length: 20_000 }, (_, i) => `transaction-${i}`);
    const result = await client.query({
      query: 'SELECT length({ids:Array(String)}) AS n, {ids:Array(String)}[-1] AS last',
      query_params: { ids },
      format: 'JSONEachRow',
    });
    assert.deepEqual(await result.json(), [{ n: 20_000, last: 'transaction-19999' }]);
  });

  it('passes settings to the engine', async () => {
    const query = 'SELECT number FROM numbers(10)';
    const settings = { max_result_rows: '5', result_overflow_mode: 'throw' } as const;
    await assert.rejects(
      client.query({ query, clickhouse_settings: settings }).then((result) => result.text()),
      (error: unknown) => error instanceof ClickHouseError && error.type === 'TOO_MANY_ROWS_OR_BYTES',
    );
  });

  it('keeps the temporary tables and the database of a session, and those of another apart', async () => {
    const session = createClient({ url: server.url, log, session_id: randomUUID() });
    await session.command({ query: 'CREATE TEMPORARY TABLE mine AS SELECT 7 AS n' });
    const result = await session.query({ query: 'SELECT n FROM mine', format: 'JSONEachRow' });
    assert.deepEqual(await result.json(), [{ n: 7 }]);
    await assert.rejects(client.command({ query: 'SELECT n FROM mine' }), { code: '60', type: 'UNKNOWN_TABLE' });
    await session.close();
  });

  it('gets the code, the type and the text of an error', async () => {
    await assert.rejects(client.query({ query: 'SELECT * FROM nowhere' }), (error: unknown) => {
      assert.ok(error instanceof ClickHouseError);
      assert.deepEqual([error.code, error.type], ['60', 'UNKNOWN_TABLE']);
      assert.match(error.message, /nowhere/);
      return true;
    });
    await assert.rejects(client.command({ query: 'SELECT FROM WHERE' }), { code: '62', type: 'SYNTAX_ERROR' });
  });

  it('gets an error that comes after the first rows, and never takes them for the whole', async () => {
    const query = 'SELECT throwIf(number = 2000000) AS n FROM numbers(3000000) SETTINGS max_threads = 1';
    // Not packed: packed, all these equal rows are on their way to the client before it has read the first.
    const plain = createClient({ url: server.url, log });
    const result = await plain.query({ query, format: 'JSONEachRow' });
    const read = async () => {
      for await (const rows of result.stream()) assert.ok(rows.length > 0);
    };
    await assert.rejects(read(), { type: 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO' });
    await plain.close();
  });

  it('stops the query of a client that goes away', async () => {
    const abort = new AbortController();
    const query = 'SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1';
    const asked = client.query({ query, abort_signal: abort.signal, query_id: 'goes-away' });
    while ((await runningWith('goes-away')) === 0) await sleep(50);
    abort.abort();
    await assert.rejects(asked);
    while ((await runningWith('goes-away')) > 0) await sleep(50);
  });

  it('kills a query by the id of its request', async () => {
    const query = 'SELECT (SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1)';
    const asked = client.query({ query, query_id: 'to-be-killed' });
    const refused = assert.rejects(asked, { code: '394', type: 'QUERY_WAS_CANCELLED' });
    while ((await runningWith('to-be-killed')) === 0) await sleep(50);
    await client.command({ query: "KILL QUERY WHERE query_id = 'to-be-killed' SYNC" });
    await refused;
    assert.equal(await runningWith('to-be-killed'), 0);
  });

  it('answers inserts while long reads run', async () => {
    await client.command({ query: 'CREATE TABLE beside (id UInt64) ENGINE = MergeTree ORDER BY id' });
    const slow = Array.from({ length: 10 }, (_, i) => {
      const query = `SELECT (SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = ${i})`;
      return client.query({ query, query_id: `slow-${i}` }).then(
        () => 'ended',
        () => 'killed',
      );
    });
    while ((await runningWith('slow-0')) === 0) await sleep(50);
    // Not by the client, whose ten connections are all waiting.
    await run(server.url, 'INSERT INTO beside VALUES (1)');
    assert.deepEqual(await Promise.race([...slow, sleep(0, 'still running')]), 'still running');
    // Those in line start when the first ones are gone, so they are killed until none is left.
    const all = Promise.all(slow);
    while ((await Promise.race([all, sleep(200, 'some run')])) === 'some run') {
      await run(server.url, "KILL QUERY WHERE startsWith(query_id, 'slow-') ASYNC");
    }
    assert.deepEqual(new Set(await all), new Set(['killed']));
  });

  it('serves many clients at once', async () => {
    await client.command({ query: 'CREATE TABLE many (id UInt64) ENGINE = MergeTree ORDER BY id' });
    await Promise.all(
      Array.from({ length: 60 }, async (_, id) => {
        await client.insert({ table: 'many', values: [{ id }], format: 'JSONEachRow' });
        await (await client.query({ query: 'SELECT count() FROM many', format: 'JSONEachRow' })).json();
      }),
    );
    assert.equal(await run(server.url, 'SELECT count(), uniqExact(id) FROM many'), '60\t60\n');
  });

  async function runningWith(queryId: string): Promise<number> {
    const query = "SELECT count() FROM system.processes WHERE Settings['log_comment'] = {id:String}";
    // In a session, so that it is not in line behind the reads.
    return Number(await run(server.url, query, { param_id: queryId, session_id: 'watch', wait_end_of_query: '1' }));
  }
});
