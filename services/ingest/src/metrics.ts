import type { ProblemCode } from '@millrace/contracts';
import type { Counter, Gauge, Histogram, Metrics } from '@millrace/observability';
import { IngestError } from './errors.ts';
import type { EventKindName } from './event-kinds.ts';
import type { RefusalReason } from './mqtt/device-message.ts';
import type { Publisher } from './publisher.ts';

export type Protocol = 'http' | 'mqtt' | 'bridge';

/** What ingest counts. Every label comes from a closed list, so that no sender can make the set of series grow. */
export interface IngestMetrics {
  readonly received: EventCounter;
  readonly accepted: EventCounter;
  /** `reason`: a problem's code, or why an event was not even read. */
  readonly rejected: Counter<'kind' | 'protocol' | 'reason'>;
  readonly batchRecords: Histogram;
  readonly publishSeconds: Histogram;
  readonly mqttRefused: Counter<'reason'>;
  /** How often nothing more was read from a connection for a while. */
  readonly mqttSlowed: Counter<'reason'>;
  readonly willsLost: Counter;
  /** Dead letters that were sent again, or why not. */
  readonly redriven: Counter<'result'>;
  /** Whole requests, for other reasons than the events in them; `reason` is the status. */
  readonly httpRefused: Counter<'reason'>;
  readonly httpConnectionsDropped: Counter;
  readonly reloads: Counter<'file' | 'result'>;
  /** 1 while a file of credentials or certificates on disk is not what is in force. */
  readonly reloadFailed: Gauge<'file'>;
}

export function createIngestMetrics(metrics: Metrics): IngestMetrics {
  const events = ['kind', 'protocol'] as const;
  return {
    received: createEventCounter(metrics, 'ingest_events_received_total', 'Events read.'),
    accepted: createEventCounter(metrics, 'ingest_events_accepted_total', 'Events that Kafka has confirmed.'),
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
    mqttRefused: metrics.counter({
      name: 'ingest_mqtt_refused_total',
      help: 'Connections, topics and subscriptions that the MQTT listener refused.',
      labels: ['reason'],
    }),
    mqttSlowed: metrics.counter({
      name: 'ingest_mqtt_slowed_total',
      help: 'How often a device was made to wait: rate, in-flight, or answers that it does not read.',
      labels: ['reason'],
    }),
    willsLost: metrics.counter({
      name: 'ingest_mqtt_wills_lost_total',
      help: 'Last wills that Kafka did not take in time.',
    }),
    redriven: metrics.counter({
      name: 'ingest_redriven_letters_total',
      help: 'Dead letters that somebody wanted to send again, by what became of them.',
      labels: ['result'],
    }),
    httpRefused: metrics.counter({
      name: 'ingest_http_refused_total',
      help: 'HTTP requests refused as a whole (who sent them, how many, their form, Kafka away), by status.',
      labels: ['reason'],
    }),
    httpConnectionsDropped: metrics.counter({
      name: 'ingest_http_connections_dropped_total',
      help: 'Connections that were over the limit of open HTTP connections.',
    }),
    reloads: metrics.counter({
      name: 'ingest_credentials_reloads_total',
      help: 'Changed files of credentials or certificates that were read (ok), or could not be used (failed).',
      labels: ['file', 'result'],
    }),
    reloadFailed: metrics.gauge({
      name: 'ingest_credentials_reload_failed',
      help: '1 while a changed file of credentials or certificates cannot be used and an older state of it is in force.',
      labels: ['file'],
    }),
  };
}

/** A counter of every single event: plain numbers, which are taken over when they are asked for. */
export interface EventCounter {
  of(kind: EventKindName, protocol: Protocol): (events: number) => void;
}

function createEventCounter(metrics: Metrics, name: string, help: string): EventCounter {
  const counted: { readonly kind: EventKindName; readonly protocol: Protocol; events: number }[] = [];
  metrics.counter({
    ...{ name, help, labels: ['kind', 'protocol'] as const },
    collect: (counter) => {
      for (const each of counted) {
        const { kind, protocol, events } = each;
        if (events > 0) counter.inc({ kind, protocol }, events);
        each.events = 0;
      }
    },
  });
  return {
    of(kind, protocol) {
      const known = counted.find((each) => each.kind === kind && each.protocol === protocol);
      const own = known ?? { kind, protocol, events: 0 };
      if (known === undefined) counted.push(own);
      return (events) => {
        own.events += events;
      };
    },
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
    received: metrics.received.of(kind, protocol),
    accepted: metrics.accepted.of(kind, protocol),
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

/** Who is connected to the MQTT listener, and who of them is made to wait now. */
export function observeListener(
  metrics: Metrics,
  listener: { readonly clients: number; readonly connections: number; readonly slowed: number },
): void {
  metrics.gauge({
    name: 'ingest_mqtt_clients',
    help: 'Connections of devices that have logged in to the listener.',
    collect: (gauge) => gauge.set(listener.clients),
  });
  metrics.gauge({
    name: 'ingest_mqtt_connections',
    help: 'Connections to the listener, those included that have not logged in.',
    collect: (gauge) => gauge.set(listener.connections),
  });
  metrics.gauge({
    name: 'ingest_mqtt_slowed_clients',
    help: 'Connections that wait because their device sends more than its rate.',
    collect: (gauge) => gauge.set(listener.slowed),
  });
}
