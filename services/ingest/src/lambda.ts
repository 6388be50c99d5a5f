// The HTTP side of ingest as a Lambda function, see docs/lambda.md. No MQTT: nothing listens there.
import { setTimeout as sleep } from 'node:timers/promises';
import { createTopics } from '@millrace/contracts';
import { createKafka } from '@millrace/kafka';
import { createLogger, createMetrics, Health, kafkaAccessOf } from '@millrace/observability';
import { createApiKeys, readApiKeys } from './access/api-keys.ts';
import { createApp } from './app.ts';
import { createCardTokenizer } from './card-token.ts';
import { createEventKinds } from './event-kinds.ts';
import { readLambdaConfig } from './lambda/config.ts';
import { createHttpHandler } from './lambda/http-handler.ts';
import { createLastingProducer } from './lambda/lasting-producer.ts';
import { createIngestMetrics } from './metrics.ts';
import { Publisher } from './publisher.ts';

const SERVICE = 'ingest';
/** A NAT gateway forgets a connection after 350 s without a word, a broker after 10 minutes. */
const IDLE_MS_MAX = 60_000;
/** Lambda gives the start of a function 10 s; without Kafka it starts all the same, and answers 503. */
const FIRST_CHECK_MS_MAX = 5_000;

const config = readLambdaConfig();
const logger = createLogger({ service: SERVICE, level: config.LOG_LEVEL });
const metrics = createMetrics(SERVICE);
const ingestMetrics = createIngestMetrics(metrics);
const health = new Health();
const topics = createTopics({ prefix: config.TOPIC_PREFIX, partitions: config.TOPIC_PARTITIONS });
const kafka = createKafka({ brokers: config.KAFKA_BROKERS, clientId: SERVICE, logger, ...kafkaAccessOf(config) });
const producer = createLastingProducer({
  open: () => kafka.producer(),
  idleMsMax: IDLE_MS_MAX,
  nowMs: Date.now,
  onLost: (error) => logger.debug({ err: error }, 'an idle producer could not be closed'),
});
const publisher = new Publisher({
  producer,
  // A connection of its own: the others may be dead, which is what it is to find out.
  probe: async () => {
    const admin = await kafka.admin();
    try {
      await admin.partitions(topics.paymentsRaw.name);
    } finally {
      await admin.close();
    }
  },
  nowMs: Date.now,
  onAvailability: (ready, reason) => {
    health.set('kafka', ready ? { ready } : { ready, detail: 'Kafka does not confirm' });
    if (ready) logger.info('Kafka is back; events are taken again');
    else logger.warn({ reason }, 'Kafka does not confirm; events are refused until it does');
  },
});
health.set('kafka', { ready: true });

const { API_KEYS_FILE: file, RATE_LIMIT_EVENTS_PER_SECOND: eventsPerSecond } = config;
const rateLimit = eventsPerSecond === 0 ? undefined : { eventsPerSecond, burstEvents: config.RATE_LIMIT_BURST_EVENTS };
const keys = await readApiKeys({ file, rateLimit, nowMs: Date.now });
const app = await createApp({
  publisher,
  kinds: createEventKinds(topics),
  tokenizeCard: createCardTokenizer(config.CARD_TOKEN_SECRET),
  apiKeys: createApiKeys(() => keys, Date.now),
  nowMs: Date.now,
  ...{ logger, metrics, ingestMetrics, health },
});
await app.ready();
await Promise.race([publisher.check(), sleep(FIRST_CHECK_MS_MAX)]);

// Sent to a function that has an extension only; the others are killed, and lose nothing.
process.once('SIGTERM', () => {
  void Promise.allSettled([app.close(), publisher.close().then(() => producer.close())]).then(() => process.exit(0));
});

export const handler = createHttpHandler({ app, publisher });
