import { createTopics, ensureTopics } from '@millrace/contracts';
import { createKafka } from '@millrace/kafka';
import { createLogger, createMetrics, Health, isLoopback, runService, startAdminServer } from '@millrace/observability';
import { startApp } from './app.ts';
import { readConfig } from './config.ts';

runService({
  name: 'enricher',
  async start({ onClose, useLogger, fail }) {
    const config = readConfig();
    const logger = createLogger({ service: 'enricher', level: config.LOG_LEVEL });
    useLogger(logger);
    const metrics = createMetrics('enricher');
    const health = new Health();
    health.set('streams', { ready: false, detail: 'connecting to Kafka' });
    const adminServer = await startAdminServer({
      host: config.HOST,
      port: config.METRICS_PORT,
      metrics,
      health,
      logger,
    });
    onClose('admin server', () => adminServer.close());

    const kafka = createKafka({ brokers: config.KAFKA_BROKERS, clientId: 'enricher', logger });
    const topics = createTopics({ prefix: config.TOPIC_PREFIX, partitions: config.TOPIC_PARTITIONS });
    const admin = await kafka.admin();
    try {
      await ensureTopics(admin, topics);
    } finally {
      await admin.close();
    }
    const app = await startApp({
      kafka,
      topics,
      applicationId: `${config.TOPIC_PREFIX}enricher`,
      metrics,
      health,
      logger,
      standbys: config.STANDBYS,
      onFatal: fail,
    });
    if (config.STATE_READ || isLoopback(config.HOST)) adminServer.mount('state', app.readState);
    onClose('streams', () => app.close());
  },
});
