import type { TestContext } from 'node:test';
import { createTopics, type Topics } from '@millrace/contracts';
import type { OutRecord, Producer, TopicBatch } from '@millrace/kafka';
import { createLogger, createMetrics, Health } from '@millrace/observability';
import { type AppOptions, createApp } from '../src/app.ts';
import { createCardTokenizer } from '../src/card-token.ts';
import { createEventKinds } from '../src/event-kinds.ts';
import { HTTP_LIMITS, type HttpLimits } from '../src/http/server.ts';
import { createEventCounts, createIngestMetrics } from '../src/metrics.ts';
import { createMqttIntake } from '../src/mqtt/intake.ts';
import type { MqttRoutes } from '../src/mqtt/routes.ts';
import { DEFAULT_ROUTES, readMqttRoutes } from '../src/mqtt/routes-file.ts';
import { createSparkplugHost } from '../src/mqtt/sparkplug/host.ts';
import { PUBLISHER_LIMITS, Publisher, type PublisherLimits } from '../src/publisher.ts';

/** 2026-03-01T12:00:00Z */
export const NOW_MS = 1_772_366_400_000;

/** A Visa test number that every payment company publishes; it passes the Luhn check. */
export const CARD_NUMBER = '4242424242424242';

export const PAYMENT = {
  transaction_id: 't-1',
  event_time: NOW_MS - 1_000,
  customer_id: 'customer-1',
  card_id: 'card-1',
  merchant_id: 'shop-1',
  amount: '12.50',
  currency: 'EUR',
  country: 'PT',
  channel: 'pos',
} as const;

export const READING = {
  device_id: 'device-1',
  event_time: NOW_MS - 1_000,
  sequence: 7,
  metrics: { temperature: 21.5 },
};

export interface FakeProducer extends Producer {
  /** What Kafka would hold, in the order in which it was sent. */
  readonly sent: (OutRecord & { readonly topic: string })[];
  readonly batches: number;
  /** Until released, `send` does not resolve. */
  hold(): void;
  release(): void;
  /** From now on `send` rejects with it; `undefined` ends that. */
  failWith(error: Error | undefined): void;
}

/** Kafka's side of the publisher: keeps what it is sent, and confirms, waits or fails as a test wants. */
export function createFakeProducer(): FakeProducer {
  const sent: FakeProducer['sent'] = [];
  let held: { promise: Promise<void>; resolve: () => void } | undefined;
  let failure: Error | undefined;
  let batches = 0;
  return {
    sent,
    get batches() {
      return batches;
    },
    hold() {
      held = Promise.withResolvers<void>();
    },
    release() {
      held?.resolve();
      held = undefined;
    },
    failWith(error) {
      failure = error;
    },
    async send(topicBatches: readonly TopicBatch[]) {
      batches += 1;
      await held?.promise;
      if (failure !== undefined) throw failure;
      for (const { topic, records } of topicBatches) for (const record of records) sent.push({ topic, ...record });
    },
    close: async () => {},
  };
}

export const topics = createTopics();

export interface PublisherFixture {
  readonly producer: FakeProducer;
  readonly publisher: Publisher;
  readonly availability: boolean[];
}

export function createPublisher(limits: Partial<PublisherLimits> = {}): PublisherFixture {
  const producer = createFakeProducer();
  const availability: boolean[] = [];
  const publisher = new Publisher({
    producer,
    probe: async () => undefined,
    nowMs: () => NOW_MS,
    limits: { ...PUBLISHER_LIMITS, lingerMs: 0, ...limits },
    onAvailability: (available) => availability.push(available),
  });
  return { producer, publisher, availability };
}

/** The HTTP app, and what MQTT needs, around a fake producer. */
export async function createIngest(
  t: TestContext,
  options: {
    limits?: Partial<PublisherLimits>;
    httpLimits?: Partial<HttpLimits>;
    apiKeys?: AppOptions['apiKeys'];
    tls?: AppOptions['tls'];
    nowMs?: () => number;
    decisions?: AppOptions['decisions'];
    redriver?: AppOptions['redriver'];
    batches?: AppOptions['batches'];
    topics?: Topics;
    routes?: MqttRoutes;
  } = {},
) {
  const { producer, publisher } = createPublisher(options.limits);
  const lines: string[] = [];
  const logger = createLogger({
    service: 'ingest',
    level: 'debug',
    destination: { write: (line) => lines.push(line) },
  });
  const metrics = createMetrics('ingest');
  const ingestMetrics = createIngestMetrics(metrics);
  const health = new Health();
  health.set('kafka', { ready: true });
  const tokenizeCard = createCardTokenizer('a secret of the tests that is long enough');
  const nowMs = options.nowMs ?? (() => NOW_MS);
  const common = { publisher, tokenizeCard, nowMs, logger, metrics, ingestMetrics, health };
  const { apiKeys, tls, decisions, redriver, batches } = options;
  const limits = { ...HTTP_LIMITS, ...options.httpLimits };
  const app = await createApp({
    ...common,
    kinds: createEventKinds(options.topics ?? topics),
    apiKeys,
    tls,
    limits,
    decisions,
    redriver,
    batches,
  });
  t.after(async () => {
    producer.release();
    await app.close();
  });
  const counts = createEventCounts(ingestMetrics, 'telemetry', 'mqtt');
  const { routes = readMqttRoutes(DEFAULT_ROUTES) } = options;
  const sparkplug = createSparkplugHost({ metrics, nowMs });
  const intake = createMqttIntake({
    publisher,
    routes,
    readSparkplug: sparkplug.read,
    topics,
    tokenizeCard,
    nowMs,
    counts,
  });

  /** The values of a counter, by its labels joined with commas. */
  async function counted(name: string): Promise<Record<string, number>> {
    const metric = await metrics.registry.getSingleMetric(name)?.get();
    return Object.fromEntries(
      (metric?.values ?? []).map(({ labels, value }) => [
        Object.entries(labels)
          .filter(([label]) => label !== 'service')
          .map(([, labelValue]) => labelValue)
          .join(','),
        value,
      ]),
    );
  }

  function post(url: string, body: unknown, headers: Record<string, string> = {}) {
    const payload = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return app.inject({ method: 'POST', url, payload, headers: { 'content-type': 'application/json', ...headers } });
  }

  return { app, producer, publisher, routes, sparkplug, intake, ingestMetrics, logger, lines, counted, post };
}

export type Ingest = Awaited<ReturnType<typeof createIngest>>;
