import type { Topics } from '@millrace/contracts';
import type { Kafka } from '@millrace/kafka';
import type { Health, Logger, Metrics } from '@millrace/observability';
import { type Streams, startStreams } from '@millrace/streams';
import { createObserver } from './observer.ts';
import { createTopology } from './topology.ts';

/** How often readiness follows the tasks: a rebalance shows at `/health/ready` this much later at most. */
const READINESS_INTERVAL_MS = 250;

export interface AppOptions {
  readonly kafka: Kafka;
  readonly topics: Topics;
  readonly applicationId: string;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly logger: Logger;
  /** Other instances that keep each partition's state warm. */
  readonly standbys?: number;
  /** Called for an error after which this instance cannot go on. */
  onFatal(error: unknown): void;
}

/** Runs the fraud detector on a Kafka whose topics exist. Ready when all partitions of this instance are restored. */
export async function startApp(options: AppOptions): Promise<Pick<Streams, 'readState' | 'close'>> {
  const { kafka, topics, metrics, health, logger, applicationId } = options;
  const topology = createTopology(topics, { applicationId, observe: createObserver(metrics, logger) });
  const streams = await startStreams({
    topology,
    kafka,
    metrics,
    logger,
    deadLetters: topics.deadLetters,
    standbys: options.standbys ?? 0,
    onFatal: options.onFatal,
  });
  const showReadiness = () => {
    const ready = streams.isReady();
    health.set('streams', ready ? { ready } : { ready, detail: 'restoring partitions' });
  };
  showReadiness();
  const timer = setInterval(showReadiness, READINESS_INTERVAL_MS);
  return {
    readState: streams.readState,
    close: async () => {
      clearInterval(timer);
      health.set('streams', { ready: false, detail: 'closing' });
      await streams.close();
    },
  };
}
