/** One process of the engine that harness.py measures under the name `millrace`. Stops on SIGTERM. */
import { createKafka } from '@millrace/kafka';
import { createLogger, createMetrics } from '@millrace/observability';
import { startStreams } from '../../src/index.ts';
import { readEngineConfig } from './config.ts';
import { createJob } from './jobs.ts';

const COMMIT_INTERVAL_MS = 100;

const config = readEngineConfig();
const logger = createLogger({ service: 'bench', level: 'warn' });
const kafka = createKafka({ brokers: [...config.bootstrap], clientId: config.group, logger });
const streams = await startStreams({
  topology: createJob(config),
  kafka,
  metrics: createMetrics('bench'),
  logger,
  // Nothing is put aside: both jobs stop at a record that they cannot read.
  deadLetters: {
    name: `${config.group}.dead-letters`,
    schema: 'dead-letter',
    encode: (letter) => JSON.stringify(letter),
    key: ({ id }) => id,
    timestampMs: ({ failed_at }) => failed_at,
    eventId: ({ id }) => id,
  },
  commitIntervalMs: COMMIT_INTERVAL_MS,
  onFatal: (error) => {
    logger.fatal({ err: error }, 'the job cannot go on');
    process.exit(1);
  },
});
process.on('SIGTERM', () => {
  void streams.close().then(() => process.exit(0));
});
