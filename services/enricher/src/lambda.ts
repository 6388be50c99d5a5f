// The enricher as a Lambda function behind Kafka's event source, see docs/lambda.md.
import { setTimeout as sleep } from 'node:timers/promises';
import { createTopics } from '@millrace/contracts';
import { createKafka } from '@millrace/kafka';
import { createLogger, createMetrics, kafkaAccessOf } from '@millrace/observability';
import { createKafkaEventHandler } from '@millrace/streams';
import { readLambdaConfig } from './lambda/config.ts';
import { createDuplicatesObserver } from './observe-duplicates.ts';
import { createTopology } from './topology.ts';

const SERVICE = 'enricher';
/** Lambda gives the start of a function 10 s; what is not ready by then is when the first batch comes. */
const WARM_UP_MS_MAX = 8_000;

const config = readLambdaConfig();
const logger = createLogger({ service: SERVICE, level: config.LOG_LEVEL });
const metrics = createMetrics(SERVICE);
const topics = createTopics({ prefix: config.TOPIC_PREFIX, partitions: config.TOPIC_PARTITIONS });
const { RECORD_AGE_MS_MAX: recordAgeMsMax, ON_FAILURE_TOPIC: onFailure } = config;
const kafkaEvents = createKafkaEventHandler({
  topology: createTopology(topics, {
    applicationId: `${config.TOPIC_PREFIX}enricher`,
    onDuplicate: createDuplicatesObserver(metrics),
  }),
  kafka: createKafka({ brokers: config.KAFKA_BROKERS, clientId: SERVICE, logger, ...kafkaAccessOf(config) }),
  deadLetters: topics.deadLetters,
  ...(recordAgeMsMax === undefined ? {} : { recordAgeMsMax }),
  ...(onFailure === undefined ? {} : { onFailure: { ...topics.deadLetters, name: onFailure } }),
  ...{ metrics, logger },
});
try {
  await Promise.race([kafkaEvents.warmUp(), sleep(WARM_UP_MS_MAX)]);
} catch (error) {
  logger.warn({ err: error }, 'not ready yet; the first batch will try again');
}

// Sent to a function that has an extension only; the others are killed, and lose nothing.
process.once('SIGTERM', () => void kafkaEvents.close().finally(() => process.exit(0)));

export const { handle: handler } = kafkaEvents;
