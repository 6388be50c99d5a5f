import { setTimeout as sleep } from 'node:timers/promises';
import { createTopics, ensureTopics } from '@millrace/contracts';
import { createKafka, type Kafka, KafkaError } from '@millrace/kafka';
import {
  createLogger,
  createMetrics,
  Health,
  type Logger,
  runService,
  type ServiceResources,
  startAdminServer,
} from '@millrace/observability';
import { openApiKeys, openHttpTls } from './access/open.ts';
import { createApp } from './app.ts';
import { createBatchStore } from './batches/batch-store.ts';
import { createCardTokenizer } from './card-token.ts';
import { type Config, readConfig } from './config.ts';
import { createDecisions } from './decisions/decisions.ts';
import { createEventKinds } from './event-kinds.ts';
import { createEventCounts, createIngestMetrics, type IngestMetrics, observeQueue } from './metrics.ts';
import { createMqttIntake } from './mqtt/intake.ts';
import { openMqtt } from './mqtt/open.ts';
import { loadMqttRoutes } from './mqtt/routes-file.ts';
import { createSparkplugHost } from './mqtt/sparkplug/host.ts';
import { Publisher } from './publisher.ts';
import { openRedriver } from './redrive/open.ts';

const SERVICE = 'ingest';
const KAFKA_RETRY_MS = 1_000;
/** How often an idle service asks whether Kafka is still there. */
const KAFKA_CHECK_MS = 5_000;

runService({ name: SERVICE, start });

async function start(resources: ServiceResources): Promise<void> {
  const config = readConfig();
  const logger = createLogger({ service: SERVICE, level: config.LOG_LEVEL });
  resources.useLogger(logger);
  const routes = await loadMqttRoutes(config.MQTT_ROUTES_FILE, { shareGroup: config.MQTT_SHARE_GROUP });
  const metrics = createMetrics(SERVICE);
  const health = new Health();
  for (const component of ['kafka', 'http', 'mqtt']) health.set(component, { ready: false, detail: 'starting' });
  const adminServer = await startAdminServer({ host: config.HOST, port: config.METRICS_PORT, metrics, health, logger });
  resources.onClose('admin server', adminServer.close);

  const topics = createTopics({ prefix: config.TOPIC_PREFIX, partitions: config.TOPIC_PARTITIONS });
  const kafka = createKafka({ brokers: config.KAFKA_BROKERS, clientId: SERVICE, logger });
  const kafkaAdmin = await untilKafka(() => kafka.admin(), resources.signal, logger);
  resources.onClose('kafka admin', () => kafkaAdmin.close());
  await untilKafka(() => ensureTopics(kafkaAdmin, topics), resources.signal, logger);

  const ingestMetrics = createIngestMetrics(metrics);
  const probe = () => kafkaAdmin.partitions(topics.paymentsRaw.name);
  const publisher = await openPublisher(resources, { kafka, probe, health, ingestMetrics, logger });
  observeQueue(metrics, publisher);

  const tokenizeCard = createCardTokenizer(config.CARD_TOKEN_SECRET);
  const common = { publisher, tokenizeCard, nowMs: Date.now, logger };
  const decisions = createDecisions({
    contract: topics.fraudDecisions,
    waitMs: config.DECISION_WAIT_MS,
    apiUrl: config.API_URL,
    ...{ kafka, admin: kafkaAdmin, metrics, logger },
  });
  resources.onClose('decisions', () => decisions.close());
  const sparkplug = routes.hasSparkplug ? createSparkplugHost({ metrics, nowMs: Date.now }) : undefined;
  const kinds = createEventKinds(topics);
  const access = { ...common, config, metrics: ingestMetrics };
  const https = await openHttpTls(resources, access);
  const batches = createBatchStore({ kafka, topics, nowMs: Date.now });
  resources.onClose('batches', () => batches.close());
  const app = await createApp({
    ...common,
    apiKeys: await openApiKeys(resources, access),
    tls: https?.tls,
    decisions,
    batches,
    kinds,
    redriver: openRedriver({ ...common, kafka, topics, kinds, routes, readSparkplug: sparkplug?.read }),
    ...{ metrics, ingestMetrics, health },
  });
  https?.serve(app.server);
  const http = await app.listen({ host: config.HOST, port: config.HTTP_PORT });
  resources.onClose('http', () => app.close());
  health.set('http', { ready: true });

  const protocol = config.MQTT_URL === undefined ? 'mqtt' : 'bridge';
  const counts = createEventCounts(ingestMetrics, 'telemetry', protocol);
  const intake = createMqttIntake({ ...common, routes, readSparkplug: sparkplug?.read, topics, counts });
  const mqtt = await openMqtt(resources, { ...access, routes, intake, sparkplug, registry: metrics, health });
  logger.info({ http, ...mqtt, access: accessOf(config) }, 'taking events');
  // Closed first: a load balancer sees it before the listeners close.
  resources.onClose('readiness', () => health.set('http', { ready: false, detail: 'stopping' }));
}

async function openPublisher(
  resources: ServiceResources,
  options: {
    readonly kafka: Kafka;
    readonly probe: () => Promise<unknown>;
    readonly health: Health;
    readonly ingestMetrics: IngestMetrics;
    readonly logger: Logger;
  },
): Promise<Publisher> {
  const { kafka, probe, health, ingestMetrics, logger } = options;
  const producer = await untilKafka(() => kafka.producer(), resources.signal, logger);
  resources.onClose('producer', () => producer.close());
  const publisher = new Publisher({
    producer,
    probe,
    nowMs: Date.now,
    onBatch: ({ records, durationMs }) => {
      ingestMetrics.batchRecords.observe(records);
      ingestMetrics.publishSeconds.observe(durationMs / 1_000);
    },
    onAvailability: (ready, reason) => {
      health.set('kafka', ready ? { ready } : { ready, detail: 'Kafka does not confirm' });
      if (ready) logger.info('Kafka is back; events are taken again');
      else logger.warn({ reason }, 'Kafka does not confirm; events are refused until it does');
    },
  });
  resources.onClose('publisher', () => publisher.close());
  health.set('kafka', { ready: true });
  const timer = setInterval(() => void publisher.check(), KAFKA_CHECK_MS);
  resources.onClose('kafka check', () => clearInterval(timer));
  return publisher;
}

/** Kafka may start after this service: waits for it, but not for what waiting does not cure. */
async function untilKafka<T>(open: () => Promise<T>, signal: AbortSignal, logger: Logger): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof KafkaError) || !error.retriable) throw error;
      logger.warn({ reason: error.message }, 'waiting for Kafka');
      await sleep(KAFKA_RETRY_MS, undefined, { signal });
    }
  }
}

function accessOf(config: Config): string {
  const http = config.API_KEYS_FILE === undefined ? 'HTTP takes no key' : 'HTTP needs an API key';
  if (config.MQTT_URL !== undefined) return http;
  const mqtt = config.DEVICE_CREDENTIALS_FILE === undefined ? 'its id' : 'its password';
  return `${http}; a device logs in to MQTT with its id and ${mqtt}`;
}
