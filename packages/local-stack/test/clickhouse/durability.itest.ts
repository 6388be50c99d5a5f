// What is acknowledged is stored, and stored once.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { it } from 'node:test';
import { post, run, ServerEnded, startServer, temporaryDataDir } from './server-process.ts';

const CREATE = `CREATE TABLE blocks (id UInt64, name String) ENGINE = MergeTree ORDER BY id
  SETTINGS non_replicated_deduplication_window = 1000`;

function block(first: number, rows: number): Uint8Array {
  return Buffer.from(
    Array.from({ length: rows }, (_, i) => `{"id":${first + i},"name":"row ${first + i}"}`).join('\n'),
  );
}

function insert(url: string, rows: Uint8Array, token: string): Promise<Response> {
  const parameters = { query: 'INSERT INTO blocks FORMAT JSONEachRow', insert_deduplication_token: token };
  return post(url, rows, parameters);
}

it('keeps every acknowledged row through kill -9, and stores a token once, before and after it', async (t) => {
  const dataDir = await temporaryDataDir(t);
  let server = await startServer(dataDir);
  t.after(() => server.stop('SIGKILL'));
  await run(server.url, 'CREATE DATABASE other');
  await run(server.url, CREATE);
  for (let i = 0; i < 5; i += 1) {
    assert.equal((await insert(server.url, block(i * 1_000, 1_000), `topic:0:${i}`)).status, 200);
  }
  assert.equal((await insert(server.url, block(4_000, 1_000), 'topic:0:4')).status, 200);
  assert.equal(await run(server.url, 'SELECT count(), uniqExact(id) FROM blocks'), '5000\t5000\n');
  // The last answer has come; nothing else is waited for.
  assert.equal((await insert(server.url, block(5_000, 1_000), 'topic:0:5')).status, 200);
  assert.equal(await server.stop('SIGKILL'), 'SIGKILL');

  server = await startServer(dataDir);
  assert.equal(await run(server.url, 'SELECT count(), uniqExact(id) FROM blocks'), '6000\t6000\n');
  assert.equal((await insert(server.url, block(5_000, 1_000), 'topic:0:5')).status, 200);
  assert.equal((await insert(server.url, block(0, 1_000), 'topic:0:0')).status, 200);
  assert.equal(await run(server.url, 'SELECT count(), uniqExact(id) FROM blocks'), '6000\t6000\n');
  assert.equal(await run(server.url, "SELECT name FROM system.databases WHERE name = 'other'"), 'other\n');
});

it('acknowledges no insert that kill -9 takes away while inserts run', async (t) => {
  const dataDir = await temporaryDataDir(t);
  let server = await startServer(dataDir);
  t.after(() => server.stop('SIGKILL'));
  await run(server.url, CREATE);
  const acknowledged: number[] = [];
  let sent = 0;
  const sender = async () => {
    while (true) {
      const first = sent * 500;
      sent += 1;
      try {
        if ((await insert(server.url, block(first, 500), `t:${first}`)).ok) acknowledged.push(first);
      } catch (error) {
        // The connection broke: the process is gone.
        assert.ok(error instanceof TypeError);
        return;
      }
    }
  };
  const senders = [sender(), sender(), sender()];
  while (acknowledged.length < 20) await new Promise((resolve) => setTimeout(resolve, 20));
  await server.stop('SIGKILL');
  await Promise.all(senders);

  server = await startServer(dataDir);
  const query = 'SELECT intDiv(id, 500) * 500 AS first, count() FROM blocks GROUP BY first ORDER BY first';
  const stored = (await run(server.url, query))
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t').map(Number));
  const firsts = new Set(stored.map(([first]) => first));
  for (const first of acknowledged) assert.ok(firsts.has(first), `block ${first} was acknowledged and is not there`);
  for (const [first, rows] of stored) assert.equal(rows, 500, `block ${first} is there in part`);
});

it('writes a block of 50,000 rows and 60 MB as one part', async (t) => {
  const server = await startServer(await temporaryDataDir(t));
  t.after(() => server.stop('SIGKILL'));
  await run(server.url, CREATE);
  await run(server.url, 'SYSTEM STOP MERGES blocks');
  const name = 'x'.repeat(1_200);
  const rows = Buffer.from(Array.from({ length: 50_000 }, (_, id) => `{"id":${id},"name":"${name}${id}"}`).join('\n'));
  assert.ok(rows.length > 60_000_000);
  assert.equal((await insert(server.url, rows, 'large')).status, 200);
  const parts = "SELECT count(), sum(rows) FROM system.parts WHERE active AND table = 'blocks'";
  assert.equal(await run(server.url, parts), '1\t50000\n');
});

it('lets running queries end at SIGTERM, takes no new ones, and exits with 0', async (t) => {
  const dataDir = await temporaryDataDir(t);
  let server = await startServer(dataDir);
  t.after(() => server.stop('SIGKILL'));
  const running = run(server.url, 'SELECT sleep(2)');
  while ((await run(server.url, 'SELECT count() FROM system.processes')) === '1\n');
  const code = server.stop('SIGTERM');
  assert.equal(await running, '0\n');
  assert.equal(await code, 0);
  server = await startServer(dataDir);
  assert.equal(await run(server.url, 'SELECT 1'), '1\n');
});

it('kills at SIGTERM what runs for too long', async (t) => {
  const server = await startServer(await temporaryDataDir(t));
  t.after(() => server.stop('SIGKILL'));
  const query = 'SELECT (SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1)';
  const endless = run(server.url, query);
  const killed = assert.rejects(endless, /QUERY_WAS_CANCELLED/);
  while ((await run(server.url, 'SELECT count() FROM system.processes')) === '1\n');
  assert.equal(await server.stop('SIGTERM'), 0);
  await killed;
});

it('refuses a data folder that another process has, and says which', async (t) => {
  const dataDir = await temporaryDataDir(t);
  const server = await startServer(dataDir);
  t.after(() => server.stop('SIGKILL'));
  await assert.rejects(startServer(dataDir), (error: unknown) => {
    assert.ok(error instanceof ServerEnded);
    assert.equal(error.exitCode, 1);
    assert.match(error.output, /in use by another run/);
    assert.ok(error.output.includes(String(server.child.pid)));
    return true;
  });
});

it('refuses a port that is taken, and an address beyond loopback without a password', async (t) => {
  const server = await startServer(await temporaryDataDir(t));
  t.after(() => server.stop('SIGKILL'));
  const refusal = async (args: readonly string[]) => {
    const dataDir = await temporaryDataDir(t);
    return assert.rejects(startServer(dataDir, { args }), (error: unknown) => {
      assert.ok(error instanceof ServerEnded);
      assert.equal(error.exitCode, 1);
      assert.match(error.output, /--port|CLICKHOUSE_PASSWORD/);
      return true;
    });
  };
  await refusal(['--port', new URL(server.url).port]);
  await refusal(['--host', '0.0.0.0']);
});

it('ends with its supervisor, and is deaf to Ctrl-C under one', async (t) => {
  const dataDir = await temporaryDataDir(t);
  const server = await startServer(dataDir, { env: { MILLRACE_SUPERVISED: '1' }, ipc: true });
  t.after(() => server.stop('SIGKILL'));
  server.child.kill('SIGINT');
  assert.equal(await run(server.url, 'SELECT 1'), '1\n');
  const exit = once(server.child, 'exit');
  server.child.disconnect();
  assert.deepEqual(await exit, [0, null]);
});
