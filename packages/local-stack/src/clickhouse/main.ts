// ClickHouse on this machine without Docker: the engine in this process, behind ClickHouse's HTTP interface.
import { lockDataFolder } from '../data-lock.ts';
import { LocalStackError } from '../error.ts';
import { loadClickHouseConfig, sizeThreadPool } from './config.ts';
import { NATIVE_CALLS_MAX, startClickHouseServer } from './server.ts';
import { createUsers } from './users.ts';

sizeThreadPool(NATIVE_CALLS_MAX);
try {
  await run();
} catch (error) {
  console.error(error instanceof LocalStackError ? error.message : error);
  process.exit(1);
}

async function run(): Promise<void> {
  const config = loadClickHouseConfig(process.argv.slice(2));
  if (config.isSupervised) process.on('SIGINT', () => undefined);
  const lock = await lockDataFolder(config.dataDir);
  process.once('exit', () => lock.release());
  const server = await startClickHouseServer({
    ...config,
    users: createUsers(config),
    log,
    onFatal: abort,
  });
  const stop = () => {
    server.close().then(() => process.exit(0), abort);
  };
  process.once('SIGTERM', stop);
  // Without its supervisor nobody would end it.
  process.once('disconnect', stop);
  if (!config.isSupervised) process.once('SIGINT', stop);
  console.log(`ClickHouse listens on http://${config.host}:${server.port}`);
}

function log(line: string): void {
  console.error(`${new Date().toISOString()} ${line}`);
}

function abort(error: unknown): void {
  console.error(error);
  // No exit handlers: the engine's wait for its queries, which may never end now. What was acknowledged is stored.
  process.kill(process.pid, 'SIGKILL');
}
