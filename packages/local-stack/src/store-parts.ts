import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLICKHOUSE_ENVIRONMENT } from './clickhouse/environment.ts';
import { javaCommand, REPOSITORY_DIR } from './config.ts';
import type { KafkaPorts } from './kafka/properties.ts';
import { kafkaAnswers } from './kafka/ready.ts';
import { prepareKafka } from './kafka/server.ts';
import { httpAnswers } from './probe.ts';
import type { PartOptions } from './supervisor/part.ts';

const CLICKHOUSE_MAIN = fileURLToPath(new URL('./clickhouse/main.ts', import.meta.url));
const LOOPBACK = '127.0.0.1';

/** Where a part keeps its data and its log, inside one data folder. */
export interface DataFolder {
  readonly dataDir: string;
  readonly logsDir: string;
}

/** The local Kafka as a part, its data folder formatted. */
export async function kafkaPart(
  folder: DataFolder,
  options: KafkaPorts & { readonly jarsDir: string },
): Promise<PartOptions> {
  const { jarsDir, ...ports } = options;
  const dataDir = join(folder.dataDir, 'kafka');
  const { command, args } = await prepareKafka({
    dataDir,
    jarsDir,
    ports,
    host: LOOPBACK,
    java: javaCommand(),
    logFile: join(folder.logsDir, 'kafka.log'),
  });
  return {
    name: 'kafka',
    program: { kind: 'native', command, args },
    env: {},
    cwd: REPOSITORY_DIR,
    logFile: join(folder.logsDir, 'kafka.log'),
    isReady: () => kafkaAnswers({ host: LOOPBACK, port: ports.broker }),
  };
}

/** The local ClickHouse as a part. */
export function clickhousePart(folder: DataFolder, options: { port: number }): PartOptions {
  const args = ['--port', String(options.port), '--data', join(folder.dataDir, 'clickhouse')];
  return {
    name: 'clickhouse',
    program: { kind: 'node', file: CLICKHOUSE_MAIN, args },
    env: CLICKHOUSE_ENVIRONMENT,
    cwd: REPOSITORY_DIR,
    logFile: join(folder.logsDir, 'clickhouse.log'),
    isReady: () => httpAnswers(`http://${LOOPBACK}:${options.port}/ping`),
  };
}
