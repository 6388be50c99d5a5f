import type { Decision, TopicContract } from '@millrace/contracts';
import type { Kafka, KafkaAdmin } from '@millrace/kafka';
import type { Logger, Metrics } from '@millrace/observability';
import { createDecisionUrl } from './decision-answer.ts';
import { createDecisionReader } from './decision-reader.ts';
import { createDecisionWaits, type DecisionWaits, type WaitOutcome } from './decision-waits.ts';

export interface DecisionsOptions {
  readonly contract: TopicContract<Decision>;
  readonly kafka: Pick<Kafka, 'reader'>;
  readonly admin: Pick<KafkaAdmin, 'offsets'>;
  readonly waitMs: number;
  readonly apiUrl: string | undefined;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

export interface Decisions extends DecisionWaits {
  close(): Promise<void>;
}

/** Everything that `POST /v1/payments?wait=decision` needs: the reader of decisions and those who wait for them. */
export function createDecisions(options: DecisionsOptions): Decisions {
  const { contract, kafka, admin, waitMs, apiUrl, metrics, logger } = options;
  const nowMs = () => performance.now();
  const outcomes = metrics.counter({
    name: 'ingest_decision_waits_total',
    help: 'Payments kept whose senders wanted the decision, by what they got: it, or a link to it and why.',
    labels: ['outcome'],
  });
  const seconds = metrics.histogram({
    name: 'ingest_decision_wait_seconds',
    help: 'From a request to its decision, where that came in time.',
  });
  metrics.gauge({
    name: 'ingest_decision_waits_open',
    help: 'Requests that wait for a decision now.',
    collect: (gauge) => gauge.set(waits.waiting),
  });
  const reader = createDecisionReader({
    topic: contract.name,
    openReader: () => kafka.reader({ isolation: 'read_committed' }),
    endOffsets: () => admin.offsets(contract.name),
    take: (record) => waits.take(record),
    ...{ nowMs, logger },
  });
  const waits: DecisionWaits = createDecisionWaits({
    source: reader,
    decode: contract.decode,
    decisionUrl: createDecisionUrl(apiUrl),
    onOutcome(outcome: WaitOutcome, waitedMs: number) {
      outcomes.inc({ outcome });
      if (outcome === 'decided') seconds.observe(waitedMs / 1_000);
    },
    ...{ waitMs, nowMs, logger },
  });
  return {
    decide: waits.decide,
    decisionUrl: waits.decisionUrl,
    take: waits.take,
    stop: waits.stop,
    get waiting() {
      return waits.waiting;
    },
    async close() {
      waits.stop();
      await reader.close();
    },
  };
}
