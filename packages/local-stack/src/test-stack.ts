import { testStackAddresses } from './config.ts';
import { LocalStackError } from './error.ts';

/** The Kafka and the ClickHouse that integration tests share. Each test makes topics and databases of its own names. */
export interface TestStack {
  readonly kafkaBrokers: string[];
  readonly clickhouseUrl: string;
}

/**
 * The stack that was started for this test run, by the global setup of `npm test`, or by hand.
 *
 * @throws LocalStackError `no-test-stack`: an integration test without its stack fails, it is never skipped
 */
export function testStack(): TestStack {
  const { kafka, clickhouse } = testStackAddresses();
  if (kafka === undefined || clickhouse === undefined) {
    throw new LocalStackError(
      'no-test-stack',
      'There is no Kafka and ClickHouse for this test. Run it with `npm run test:integration -- FILE`, which starts both, or set MILLRACE_TEST_KAFKA=host:port and MILLRACE_TEST_CLICKHOUSE=http://host:port.',
    );
  }
  return { kafkaBrokers: kafka.split(','), clickhouseUrl: clickhouse };
}
