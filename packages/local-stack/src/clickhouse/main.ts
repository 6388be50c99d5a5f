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
  const lock = await lockDataFolder(config.dataDir);
  process.once('exit', () => lock.release());
  const server = await startClickHouseServer({
    ...config,
    users: createUsers(config),
    log: (line) => console.error(`${new Date().toISOString()} ${line}`),
    onFatal(error) {
      console.error(error);
      // No exit handlers: the engine's wait for its queries, which may never end now. What was acknowledged is stored.
      process.kill(process.pid, 'SIGKILL');
    },
  });
  console.log(`ClickHouse listens on http://${config.host}:${server.port}`);
  const stop = async () => {
    await server.close();
    process.exit(0);
  };
  process.once('SIGTERM', stop);
  // Without its supervisor nobody would end it.
  process.once('disconnect', stop);
  if (config.isSupervised) process.on('SIGINT', () => undefined);
  else process.once('SIGINT', stop);
}
