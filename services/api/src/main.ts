import { createTopics } from '@millrace/contracts';
import { createKafka } from '@millrace/kafka';
import { createLogger, createMetrics, Health, runService, startAdminServer } from '@millrace/observability';
import { createWarehouse } from '@millrace/warehouse';
import { createApp } from './app.ts';
import { readConfig } from './config.ts';
import { alertView, decisionView } from './http/views.ts';
import { createFeed, feedSource } from './live/feed.ts';
import { watchReadiness } from './readiness.ts';
import { reconciliationReads, warehouseReads } from './reads.ts';
import { startReconciler } from './reconciliation/reconciler.ts';
import { createIngestClient } from './redrive/ingest-client.ts';
import { warehouseLedger } from './routes/ledgers.ts';

runService({
  name: 'api',
  async start({ onClose, useLogger }) {
    const config = readConfig();
    const logger = createLogger({ service: 'api', level: config.LOG_LEVEL });
    useLogger(logger);
    const metrics = createMetrics('api');
    const health = new Health();

    const warehouse = createWarehouse({ url: config.CLICKHOUSE_URL, database: config.CLICKHOUSE_DATABASE, logger });
    onClose('warehouse', () => warehouse.close());
    const topics = createTopics({ prefix: config.TOPIC_PREFIX, partitions: config.TOPIC_PARTITIONS });
    const kafka = createKafka({ brokers: config.KAFKA_BROKERS, clientId: 'millrace-api', logger });
    const readiness = watchReadiness({ warehouse, kafka, topics, health, logger });
    onClose('readiness', () => readiness.close());

    const reconciler = startReconciler({
      reads: reconciliationReads(warehouse),
      metrics,
      logger,
      partitions: config.TOPIC_PARTITIONS,
      settleMs: config.RECONCILE_SETTLE_MS,
      intervalMs: config.RECONCILE_INTERVAL_MS,
    });
    onClose('reconciler', () => reconciler.close());

    const feed = (name: string, sources: Parameters<typeof createFeed>[0]['sources']) => {
      const created = createFeed({ name, kafka, sources, logger, metrics });
      onClose(`live ${name}`, () => created.close());
      return created;
    };
    const app = await createApp({
      reads: warehouseReads(warehouse),
      reconciliation: () => reconciler.report(),
      insertLedger: warehouseLedger(warehouse),
      redrive: createIngestClient({ url: config.INGEST_URL, apiKeyFile: config.INGEST_API_KEY_FILE }),
      feeds: {
        alerts: feed('alerts', [
          feedSource(topics.fraudAlerts, alertView),
          feedSource(topics.telemetryAlerts, alertView),
        ]),
        decisions: feed('decisions', [feedSource(topics.fraudDecisions, decisionView)]),
      },
      metrics,
      health,
      logger,
    });

    const { HOST: host } = config;
    const admin = await startAdminServer({ host, port: config.METRICS_PORT, metrics, health, logger });
    onClose('admin server', () => admin.close());
    onClose('http server', () => app.close());
    await app.listen({ host, port: config.HTTP_PORT });
    logger.info({ host, port: config.HTTP_PORT, metricsPort: admin.port }, 'listening');
  },
});
