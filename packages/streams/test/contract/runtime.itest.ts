import { describe, test } from 'node:test';
import { createKafka } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger } from '@millrace/observability';
import { openRuntime, type RuntimeHarness } from './runtime-harness.ts';
import { CASES } from './suite.ts';

/** A case mostly waits for its broker, so that several share the time. */
const CASES_AT_ONCE = 4;

describe('runtime', { concurrency: CASES_AT_ONCE }, () => {
  const logger = createLogger({ service: 'contract', level: 'silent' });
  for (const [index, { name, partitions = 1, run }] of CASES.entries()) {
    test(`runtime: ${name}`, async () => {
      const kafka = createKafka({ brokers: testStack().kafkaBrokers, clientId: 'contract', logger });
      const [admin, producer] = await Promise.all([kafka.admin(), kafka.producer()]);
      const prefix = `contract-${process.pid}-${index}.`;
      const opened: RuntimeHarness[] = [];
      try {
        await run({
          prefix,
          open: async (topology) => {
            const harness = await openRuntime(topology, { kafka, admin, producer, logger, prefix, partitions });
            opened.push(harness);
            return harness;
          },
        });
      } finally {
        await Promise.all(opened.map((harness) => harness.close()));
        await Promise.all([producer.close(), admin.close()]);
      }
    });
  }
});
