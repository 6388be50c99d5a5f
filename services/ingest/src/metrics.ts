import type { ProblemCode } from '@millrace/contracts';
import type { Counter, Gauge, Histogram, Metrics } from '@millrace/observability';
import { IngestError } from './errors.ts';
import type { EventKindName } from './event-kinds.ts';
import type { RefusalReason } from './mqtt/device-message.ts';
import type { Publisher } from './publisher.ts';

export type Protocol = 'http' | 'mqtt' | 'bridge';

/** What ingest counts. Every label comes from a closed list, so that no sender can make the set of series grow. */
export interface IngestMetrics {
  readonly received: Counter<'kind' | 'protocol'>;
  readonly accepted: Counter<'kind' | 'protocol'>;
  /** `reason`: a problem's code, or why an event was not even read. */
  readonly rejected: Counter<'kind' | 'protocol' | 'reason'>;
  readonly batchRecords: Histogram;
  readonly publishSeconds: Histogram;
  readonly mqttClients: Gauge;
  readonly mqttRefused: Counter<'reason'>;
  readonly willsLost: Counter;
}

export function createIngestMetrics(metrics: Metrics, mqttClients: () => number): IngestMetrics {
  const events = ['kind', 'protocol'] as const;
  return {
    received: metrics.counter({ name: 'ingest_events_received_total', help: 'Events read.', labels: events }),
    accepted: metrics.counter({
      name: 'ingest_events_accepted_total',
      help: 'Events that Kafka has confirmed.',
      labels: events,
    }),
    rejected: metrics.counter({
      name: 'ingest_events_rejected_total',
      help: 'Events refused for what they are (a problem code), or because Kafka could not take them.',
      labels: [...events, 'reason'],
    }),
    batchRecords: metrics.histogram({
      name: 'ingest_batch_records',
      help: 'Records in a batch for Kafka.',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000],
    }),
    publishSeconds: metrics.histogram({
      name: 'ingest_publish_duration_seconds',
      help: 'From handing a batch to the producer to its confirmation by all in-sync replicas.',
    }),
    mqttClients: metrics.gauge({
      name: 'ingest_mqtt_clients',
      help: 'Devices connected to the listener.',
      collect: (gauge) => gauge.set(mqttClients()),
    }),
    mqttRefused: metrics.counter({
      name: 'ingest_mqtt_refused_total',
      help: 'Connections, topics and subscriptions that the MQTT listener refused.',
      labels: ['reason'],
    }),
    willsLost: metrics.counter({
      name: 'ingest_mqtt_wills_lost_total',
      help: 'Last wills that Kafka did not take in time.',
    }),
  };
}

/** The counters of one kind of event through one protocol. */
export interface EventCounts {
  received(events: number): void;
  /** After the confirmation. */
  accepted(events: number): void;
  /** One event; `reason` is the code of the first of its problems. */
  refused(reason: ProblemCode | RefusalReason | undefined): void;
  /** Events that were right, and that Kafka did not take. */
  notKept(events: number, error: unknown): void;
}

export function createEventCounts(metrics: IngestMetrics, kind: EventKindName, protocol: Protocol): EventCounts {
  const labels = { kind, protocol };
  return {
    received: (events) => metrics.received.inc(labels, events),
    accepted: (events) => metrics.accepted.inc(labels, events),
    refused: (reason = 'malformed') => metrics.rejected.inc({ ...labels, reason }),
    notKept: (events, error) =>
      metrics.rejected.inc({ ...labels, reason: error instanceof IngestError ? error.code : 'internal' }, events),
  };
}

/** What waits for Kafka, and whether it is the bound that makes callers wait. */
export function observeQueue(metrics: Metrics, publisher: Publisher): void {
  metrics.gauge({
    name: 'ingest_queue_records',
    help: 'Records queued or in flight.',
    collect: (gauge) => gauge.set(publisher.depth),
  });
  metrics.gauge({
    name: 'ingest_queue_bytes',
    help: 'Estimated bytes of the records queued or in flight.',
    collect: (gauge) => gauge.set(publisher.bytes),
  });
  metrics.gauge({
    name: 'ingest_queue_full',
    help: '1 while the queue is at its bound and callers are told to wait.',
    collect: (gauge) => gauge.set(publisher.full ? 1 : 0),
  });
}
