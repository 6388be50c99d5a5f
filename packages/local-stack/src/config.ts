import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository: where services are started, and where `.millrace/` keeps their data. */
export const REPOSITORY_DIR = fileURLToPath(new URL('../../../', import.meta.url));

/** What can be made again at any time; `npm ci` empties it. */
export const CACHE_DIR = join(REPOSITORY_DIR, 'node_modules', '.cache', 'millrace');

/** What `npm start` uses instead of a part of its own. */
export interface OutsideParts {
  readonly kafkaBrokers: string | undefined;
  readonly clickhouseUrl: string | undefined;
  readonly mqttUrl: string | undefined;
}

/** `KAFKA_BROKERS`, `CLICKHOUSE_URL`, `MQTT_URL`; an empty value counts as unset. */
export function outsideParts(env: NodeJS.ProcessEnv = process.env): OutsideParts {
  return {
    kafkaBrokers: env.KAFKA_BROKERS || undefined,
    clickhouseUrl: env.CLICKHOUSE_URL || undefined,
    mqttUrl: env.MQTT_URL || undefined,
  };
}

/** The Java that runs Kafka: `JAVA_HOME`'s, as Maven does it, else the one on the `PATH`. */
export function javaCommand(env: NodeJS.ProcessEnv = process.env): string {
  return env.JAVA_HOME ? join(env.JAVA_HOME, 'bin', 'java') : 'java';
}

/** The environment of a child: this process's own, so that `LOG_LEVEL` and the like reach it, with `values` on top. */
export function childEnvironment(
  values: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  return { ...env, ...values };
}

/** Where integration tests find their Kafka and ClickHouse, when there is one (`MILLRACE_TEST_KAFKA`, `MILLRACE_TEST_CLICKHOUSE`). */
export function testStackAddresses(env: NodeJS.ProcessEnv = process.env): {
  kafka: string | undefined;
  clickhouse: string | undefined;
} {
  return { kafka: env.MILLRACE_TEST_KAFKA || undefined, clickhouse: env.MILLRACE_TEST_CLICKHOUSE || undefined };
}

/** Hands the addresses to the test processes, which inherit the environment of the test runner. */
export function publishTestStack(
  addresses: { kafka: string; clickhouse: string },
  env: NodeJS.ProcessEnv = process.env,
): void {
  env.MILLRACE_TEST_KAFKA = addresses.kafka;
  env.MILLRACE_TEST_CLICKHOUSE = addresses.clickhouse;
}
