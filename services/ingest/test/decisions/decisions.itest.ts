import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { allTopics, createTopics, type Decision, ensureTopics, type Payment, samples } from '@millrace/contracts';
import { createKafka, type Kafka, KafkaError, type OutRecord, type ReadBatch } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger, createMetrics, Health } from '@millrace/observability';
import { createApp } from '../../src/app.ts';
import { createDecisions } from '../../src/decisions/decisions.ts';
import { createEventKinds } from '../../src/event-kinds.ts';
import { createIngestMetrics } from '../../src/metrics.ts';
import { Publisher } from '../../src/publisher.ts';
import { PAYMENT } from '../fixtures.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
const TRANSACTION_TIMEOUT_MS = 60_000;
/** More than a record may have: whoever writes it cannot commit. */
const TOO_LARGE_BYTES = 2 * 1024 * 1024;
const event_time = Date.now() - 60_000;

/** Topics of its own in the real Kafka, which are gone after the test. */
async function createWorld(t: TestContext) {
  const prefix = `decisions-${randomUUID().slice(0, 8)}.`;
  const topics = createTopics({ prefix });
  const kafka = createKafka({ brokers: testStack().kafkaBrokers, clientId: prefix, logger });
  const admin = await kafka.admin();
  await ensureTopics(admin, topics);
  const closes: (() => unknown)[] = [];
  t.after(async () => {
    for (const close of closes.toReversed()) await close();
    await admin.deleteTopics(allTopics(topics).map(({ name }) => name));
    await admin.close();
  });

  /** The HTTP side of one instance of ingest. */
  async function startIngest(): Promise<(payment: object) => Promise<{ status: number; body: Decision }>> {
    const producer = await kafka.producer();
    const publisher = new Publisher({ producer, probe: () => admin.topics(), nowMs: Date.now });
    const metrics = createMetrics('ingest');
    const health = new Health();
    const contract = topics.fraudDecisions;
    const decisions = createDecisions({ contract, kafka, admin, waitMs: 1_000, apiUrl: undefined, metrics, logger });
    const app = await createApp({
      ...{ publisher, decisions, metrics, health, logger },
      kinds: createEventKinds(topics),
      tokenizeCard: () => 'card_token',
      nowMs: Date.now,
      ingestMetrics: createIngestMetrics(metrics),
    });
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    closes.push(
      () => producer.close(),
      () => publisher.close(),
      () => decisions.close(),
      () => app.close(),
    );
    return async (payment) => {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ ...PAYMENT, event_time, ...payment });
      const response = await fetch(`${url}/v1/payments?wait=decision`, { method: 'POST', headers, body });
      return { status: response.status, body: (await response.json()) as Decision };
    };
  }

  /** Reads payments as they come and has each decided, until the test ends. */
  async function startDetector(decide: (payment: Payment, detector: Detector) => Promise<void>): Promise<void> {
    const reader = await kafka.reader({ isolation: 'read_committed' });
    const { name, partitions, decode } = topics.paymentsRaw;
    reader.assign(Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition, offset: 0 })));
    const detector = await createDetector(kafka, topics, `${prefix}detector`);
    const stop = new AbortController();
    const done = (async () => {
      while (!stop.signal.aborted) {
        for (const { records } of await reader.poll({ maxWaitMs: 20 }).catch(noRecordsYet)) {
          for (const { value } of records) if (value !== null) await decide(decode(value), detector);
        }
      }
    })();
    closes.push(async () => {
      stop.abort();
      await done;
      await reader.close();
      await detector.close();
    });
  }

  return { startIngest, startDetector };
}

/** A topic that was made a moment ago may have no leader yet. */
function noRecordsYet(error: unknown): ReadBatch[] {
  if (error instanceof KafkaError && error.retriable) return [];
  throw error;
}

type Detector = Awaited<ReturnType<typeof createDetector>>;

/** Writes decisions as the fraud detector does: in transactions. */
async function createDetector(kafka: Kafka, topics: ReturnType<typeof createTopics>, transactionalId: string) {
  const open = () => kafka.transactionalProducer({ transactionalId, transactionTimeoutMs: TRANSACTION_TIMEOUT_MS });
  let producer = await open();
  const recordOf = (decision: Decision): OutRecord => ({
    key: decision.customer_id,
    value: JSON.stringify(decision),
    headers: { schema: 'decision.v1', event_id: decision.transaction_id },
    timestampMs: decision.event_time,
  });
  return {
    async commit(...decisions: Decision[]) {
      await producer.commitTransaction({
        batches: [{ topic: topics.fraudDecisions.name, records: decisions.map(recordOf) }],
      });
    },
    /** Writes a decision, fails in the same transaction, and starts again, which aborts it. */
    async writeAndAbort(decision: Decision) {
      const tooLarge = { key: null, value: Buffer.alloc(TOO_LARGE_BYTES) };
      const batches = [
        { topic: topics.fraudDecisions.name, records: [recordOf(decision)] },
        { topic: topics.paymentsByMerchant.name, records: [tooLarge] },
      ];
      await assert.rejects(
        producer.commitTransaction({ batches }),
        (error) => error instanceof KafkaError && error.code === 'too-large',
      );
      await producer.close();
      producer = await open();
    },
    close: () => producer.close(),
  };
}

function decisionOf(payment: Payment, decision: Decision['decision']): Decision {
  const { transaction_id, customer_id } = payment;
  return { ...samples.decision, transaction_id, customer_id, event_time: payment.event_time, decision };
}

test('payments of many customers at once are each answered with their own decision, by whichever instance took them', async (t) => {
  const { startIngest, startDetector } = await createWorld(t);
  await startDetector((payment, detector) =>
    detector.commit(decisionOf(payment, payment.amount_minor > 5_000 ? 'decline' : 'approve')),
  );
  const instances = [await startIngest(), await startIngest()];
  // One after the other at first: these begin the reading.
  for (const [index, pay] of instances.entries()) {
    const { status, body } = await pay({ transaction_id: `first-${index}` });
    assert.deepEqual([status, body.decision], [200, 'approve']);
  }
  const answers = await Promise.all(
    Array.from({ length: 24 }, async (_, index) => {
      const amount = index % 3 === 0 ? '80.00' : '20.00';
      const payment = { transaction_id: `t-${index}`, customer_id: `customer-${index % 7}`, amount };
      return (await instances[index % 2]?.(payment)) ?? assert.fail();
    }),
  );
  assert.deepEqual(
    answers.map(({ status, body }) => [status, body.transaction_id, body.decision]),
    answers.map((_, index) => [200, `t-${index}`, index % 3 === 0 ? 'decline' : 'approve']),
  );
});

test('the decision of an aborted transaction is never an answer, the one that is committed later is', async (t) => {
  const { startIngest, startDetector } = await createWorld(t);
  await startDetector(async (payment, detector) => {
    await detector.writeAndAbort(decisionOf(payment, 'decline'));
    await detector.commit(decisionOf(payment, 'approve'));
  });
  const pay = await startIngest();
  const { status, body } = await pay({ transaction_id: 't-1' });
  // Failing and starting again may take the detector longer than the caller waits.
  const answer = status === 200 ? body : (await pay({ transaction_id: 't-1' })).body;
  assert.equal(answer.decision, 'approve');
});

test('a payment that nobody decides is kept and answered with a link', async (t) => {
  const { startIngest, startDetector } = await createWorld(t);
  const seen: string[] = [];
  await startDetector(async ({ transaction_id }) => void seen.push(transaction_id));
  const pay = await startIngest();
  const { status, body } = await pay({ transaction_id: 't-1' });
  assert.deepEqual([status, body], [202, { accepted: 1, transaction_id: 't-1', decision_url: '/v1/decisions/t-1' }]);
  assert.deepEqual(seen, ['t-1']);
});
