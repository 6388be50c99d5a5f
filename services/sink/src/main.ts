import { createTopics, ensureTopics } from '@millrace/contracts';
import { createKafka } from '@millrace/kafka';
import { createLogger, createMetrics, Health, runService, startAdminServer } from '@millrace/observability';
import { createWarehouse, WarehouseError } from '@millrace/warehouse';
import { startSink } from './app.ts';
import { readConfig } from './config.ts';
import { untilDone } from './retry.ts';

runService({
  name: 'sink',
  async start({ onClose, useLogger, fail, signal }) {
    const config = readConfig();
    const logger = createLogger({ service: 'sink', level: config.LOG_LEVEL });
    useLogger(logger);
    const metrics = createMetrics('sink');
    const health = new Health();
    health.set('tables', { ready: false, detail: 'waiting for ClickHouse' });
    const server = await startAdminServer({ host: config.HOST, port: config.METRICS_PORT, metrics, health, logger });
    onClose('admin server', () => server.close());

    const warehouse = createWarehouse({ url: config.CLICKHOUSE_URL, database: config.CLICKHOUSE_DATABASE, logger });
    onClose('warehouse', () => warehouse.close());
    await untilDone(() => warehouse.migrate(), {
      isRetriable: (error) => error instanceof WarehouseError && error.retriable,
      onFailure: (error) => logger.warn({ err: error }, 'waiting for ClickHouse to make the tables'),
      signal,
    });
    health.set('tables', { ready: true });

    const topics = createTopics({ prefix: config.TOPIC_PREFIX, partitions: config.TOPIC_PARTITIONS });
    const kafka = createKafka({ brokers: config.KAFKA_BROKERS, clientId: 'millrace-sink', logger });
    const admin = await kafka.admin();
    await ensureTopics(admin, topics);
    await admin.close();

    const sink = await startSink({
      kafka,
      warehouse,
      topics,
      groupId: `${config.TOPIC_PREFIX}${config.SINK_GROUP}`,
      metrics,
      health,
      logger,
      now: Date.now,
      onFatal: fail,
    });
    onClose('sink', () => sink.close());
  },
});
