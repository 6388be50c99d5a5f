import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { WarehouseError } from './errors.ts';

export interface AppliedMigration {
  readonly version: number;
  readonly name: string;
  /** SHA-256 of the file, in hexadecimal. */
  readonly checksum: string;
}

/** What migrations need of ClickHouse, without a default database. */
export interface MigrationConnection {
  run(sql: string, settings?: Readonly<Record<string, string>>): Promise<void>;
  read(sql: string): Promise<AppliedMigration[]>;
}

const MIGRATIONS = new URL('../migrations/', import.meta.url);
const FILE_NAME = /^(\d{3})-([a-z0-9-]+)\.sql$/;

/**
 * Applies the files of `migrations/` that the database does not have yet, in the order of their numbers, and returns
 * those that it applied.
 *
 * ClickHouse has no transaction around DDL and no lock, so several services that start together all run the same
 * statements, and a process may die between two of them. Both are harmless because every statement can be repeated
 * (`IF NOT EXISTS`, `IF EXISTS`); a test holds the files to it. A migration is recorded after its last statement, once
 * (by token).
 *
 * Throws `migration` when a recorded one is not the file of this version: the files must never change once released.
 */
export async function migrate(
  connection: MigrationConnection,
  { database, logger }: { database: string; logger: { info(fields: object, message: string): void } },
): Promise<readonly AppliedMigration[]> {
  const files = await loadMigrations();
  await connection.run(`CREATE DATABASE IF NOT EXISTS ${database}`);
  await connection.run(`
    CREATE TABLE IF NOT EXISTS ${database}.schema_migrations
    (version UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
    ENGINE = MergeTree ORDER BY version SETTINGS non_replicated_deduplication_window = 1000`);
  const recorded = await connection.read(
    `SELECT version, name, checksum FROM ${database}.schema_migrations ORDER BY version`,
  );
  verify(recorded, files, database);

  const known = new Set(recorded.map(({ version }) => version));
  const applied: AppliedMigration[] = [];
  for (const { version, name, checksum, statements } of files) {
    if (known.has(version)) continue;
    for (const statement of statements) await connection.run(statement.replaceAll('{database}', database));
    await connection.run(
      `INSERT INTO ${database}.schema_migrations (version, name, checksum) VALUES (${version}, '${name}', '${checksum}')`,
      { insert_deduplication_token: `migration-${version}` },
    );
    applied.push({ version, name, checksum });
    logger.info({ database, version, name }, 'applied a migration');
  }
  return applied;
}

export interface Migration extends AppliedMigration {
  readonly statements: readonly string[];
}

/** The files, checked: numbered from 1 without a gap. */
export async function loadMigrations(folder: URL = MIGRATIONS): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  return await Promise.all(
    names.map(async (fileName, index) => {
      const match = FILE_NAME.exec(fileName);
      const version = Number(match?.[1]);
      if (match?.[2] === undefined || version !== index + 1) {
        throw new WarehouseError(
          'migration',
          `Migration ${fileName} is out of line. Name it ${String(index + 1).padStart(3, '0')}-what-it-does.sql.`,
        );
      }
      const text = (await readFile(new URL(fileName, folder), 'utf8')).replaceAll('\r\n', '\n');
      const checksum = createHash('sha256').update(text).digest('hex');
      return { version, name: match[2], checksum, statements: splitStatements(text) };
    }),
  );
}

/** Statements end with a semicolon at the end of a line; whole-line comments are for the reader of the file. */
function splitStatements(text: string): string[] {
  return text
    .replaceAll(/^\s*--.*$/gm, '')
    .split(/;[ \t]*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

function verify(recorded: readonly AppliedMigration[], files: readonly Migration[], database: string): void {
  const byVersion = new Map(files.map((file) => [file.version, file]));
  for (const { version, name, checksum } of recorded) {
    const file = byVersion.get(version);
    if (file === undefined) {
      throw new WarehouseError(
        'migration',
        `Database ${database} has migration ${version} (${name}), which this version does not know: it was made by a newer one. Start that version, or name another database.`,
      );
    }
    if (file.checksum !== checksum) {
      throw new WarehouseError(
        'migration',
        `Migration ${version} (${file.name}) was changed after database ${database} applied it. Restore the file and put the change into a new migration.`,
      );
    }
  }
}
