import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type AppliedMigration, loadMigrations, type MigrationConnection, migrate } from '../src/migrations.ts';

test('every statement of every migration can be repeated', async () => {
  for (const { name, statements } of await loadMigrations()) {
    for (const statement of statements) {
      assert.match(statement, /\bIF (NOT )?EXISTS\b/, `${name}: ${statement.slice(0, 80)}`);
      assert.match(statement, /\{database\}\./, `${name}: ${statement.slice(0, 80)}`);
    }
  }
});

test('no table is partitioned, so that a block is one part', async () => {
  const statements = (await loadMigrations()).flatMap((migration) => migration.statements);
  assert.equal(statements.filter((statement) => /PARTITION BY/.test(statement)).length, 0);
});

test('a migration whose number leaves a gap is refused with the name it should have', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, '001-first.sql'), 'CREATE TABLE IF NOT EXISTS {database}.a (x UInt8);\n');
  await writeFile(join(folder, '003-third.sql'), 'CREATE TABLE IF NOT EXISTS {database}.b (x UInt8);\n');
  await assert.rejects(loadMigrations(pathToFileURL(`${folder}/`)), {
    code: 'migration',
    message: /002-what-it-does\.sql/,
  });
});

test('a recorded migration that the files have changed since is refused, and nothing is run', async () => {
  const [first] = await loadMigrations();
  assert.ok(first);
  const { connection, ran } = fakeConnection([{ version: 1, name: first.name, checksum: 'another' }]);
  await assert.rejects(migrate(connection, { database: 'x', logger: silent }), {
    code: 'migration',
    message: /was changed after/,
  });
  assert.equal(ran.filter((sql) => sql.includes('.payments')).length, 0);
});

test('a database that a newer version has migrated is refused', async () => {
  const { connection } = fakeConnection([{ version: 999, name: 'from-the-future', checksum: 'x' }]);
  await assert.rejects(migrate(connection, { database: 'x', logger: silent }), { code: 'migration', message: /newer/ });
});

test('what is recorded is not run again', async () => {
  const files = await loadMigrations();
  const { connection, ran } = fakeConnection(files.slice(0, 1));
  const applied = await migrate(connection, { database: 'x', logger: silent });
  assert.deepEqual(
    applied.map(({ version }) => version),
    [2, 3],
  );
  assert.equal(ran.filter((sql) => /x\.payments\b/.test(sql)).length, 0);
  assert.equal(ran.filter((sql) => /x\.payments_raw\b/.test(sql)).length, 1);
});

const silent = { info: () => undefined };

function fakeConnection(recorded: readonly AppliedMigration[]) {
  const ran: string[] = [];
  const connection: MigrationConnection = {
    run: async (sql) => void ran.push(sql),
    read: async () => [...recorded],
  };
  return { connection, ran };
}
