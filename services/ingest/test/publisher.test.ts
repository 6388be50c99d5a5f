import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parsePayment } from '@millrace/contracts';
import { createPublisher, NOW_MS, PAYMENT, topics } from './fixtures.ts';

function payment(id: string, customer = 'customer-1') {
  const input = { ...PAYMENT, transaction_id: id, customer_id: customer };
  return parsePayment(input, { nowMs: NOW_MS, maxAgeMs: 86_400_000, tokenizeCard: (digits) => digits });
}

const ids = (records: readonly { headers?: Readonly<Record<string, string | Buffer>> }[]) =>
  records.map(({ headers }) => headers?.event_id);

test('a record carries key, headers and event time, and a publish resolves only after Kafka has it', async () => {
  const { publisher, producer } = createPublisher();
  producer.hold();
  let resolved = false;
  const published = publisher.publish(topics.paymentsRaw, [payment('t-1')]).then(() => {
    resolved = true;
  });
  await sleep(20);
  assert.equal(resolved, false);
  producer.release();
  await published;

  const [record] = producer.sent;
  assert.equal(record?.topic, 'payments.raw');
  assert.equal(record?.key, 'customer-1');
  assert.equal(record?.timestampMs, 1_772_366_399_000);
  const { traceparent, ...headers } = record?.headers ?? {};
  assert.deepEqual(headers, { schema: 'payment.v1', event_id: 't-1', ingested_at: '1772366400000' });
  assert.match(String(traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
});

test('a given traceparent is continued: same trace, another parent', async () => {
  const { publisher, producer } = createPublisher();
  const given = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  await publisher.publish(topics.paymentsRaw, [payment('t-1')], given);
  const traceparent = String(producer.sent[0]?.headers?.traceparent);
  assert.match(traceparent, /^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/);
  assert.notEqual(traceparent, given);
});

test('calls made while a batch is in flight share the next one, in their order', async () => {
  const { publisher, producer } = createPublisher();
  producer.hold();
  const first = publisher.publish(topics.paymentsRaw, [payment('t-0')]);
  await sleep(20);
  const others = ['t-1', 't-2', 't-3'].map((id) => publisher.publish(topics.paymentsRaw, [payment(id)]));
  producer.release();
  await Promise.all([first, ...others]);
  assert.deepEqual(ids(producer.sent), ['t-0', 't-1', 't-2', 't-3']);
  assert.equal(producer.batches, 2);
});

test('a call larger than a batch is split, keeps its order, and resolves after its last part', async () => {
  const { publisher, producer } = createPublisher({ batchRecordsMax: 10 });
  const events = Array.from({ length: 35 }, (_, index) => payment(`t-${index}`));
  await publisher.publish(topics.paymentsRaw, events);
  assert.deepEqual(
    ids(producer.sent),
    Array.from({ length: 35 }, (_, index) => `t-${index}`),
  );
  assert.equal(producer.batches, 4);
});

test('at the bound of the queue a call is refused as overloaded, and nothing of it is queued', async () => {
  const { publisher, producer } = createPublisher({ queueRecordsMax: 2 });
  producer.hold();
  const taken = publisher.publish(topics.paymentsRaw, [payment('t-1'), payment('t-2')]);
  await assert.rejects(publisher.publish(topics.paymentsRaw, [payment('t-3')]), {
    code: 'overloaded',
    retriable: true,
  });
  assert.equal(publisher.depth, 2);
  const room = publisher.whenReady();
  producer.release();
  await Promise.all([taken, room]);
  assert.equal(publisher.depth, 0);
  assert.deepEqual(ids(producer.sent), ['t-1', 't-2']);
});

test('a failed batch fails what is queued behind it, so no later event of a key overtakes it', async () => {
  const { publisher, producer, availability } = createPublisher();
  producer.failWith(new Error('no broker'));
  producer.hold();
  const first = publisher.publish(topics.paymentsRaw, [payment('t-1')]);
  await sleep(20);
  const second = publisher.publish(topics.paymentsRaw, [payment('t-2')]);
  producer.release();
  await assert.rejects(first, { code: 'unavailable' });
  await assert.rejects(second, { code: 'unavailable' });
  await assert.rejects(publisher.publish(topics.paymentsRaw, [payment('t-3')]), { code: 'unavailable' });
  assert.equal(publisher.depth, 0);
  assert.equal(publisher.bytes, 0);
  assert.deepEqual(availability, [false]);
});

test('once Kafka answers the probe, events are taken again', async () => {
  const { publisher, producer, availability } = createPublisher();
  producer.failWith(new Error('no broker'));
  await assert.rejects(publisher.publish(topics.paymentsRaw, [payment('t-1')]), { code: 'unavailable' });
  producer.failWith(undefined);
  while (!publisher.available) await sleep(10);
  await publisher.publish(topics.paymentsRaw, [payment('t-2')]);
  assert.deepEqual(ids(producer.sent), ['t-2']);
  assert.deepEqual(availability, [false, true]);
});

test('a batch that is not confirmed in time fails for its callers, and no other overtakes it', async () => {
  const { publisher, producer } = createPublisher({ confirmMsMax: 30 });
  producer.hold();
  await assert.rejects(publisher.publish(topics.paymentsRaw, [payment('t-1')]), { code: 'unavailable' });
  await sleep(300); // longer than the first probe's delay
  assert.equal(publisher.available, false);
  producer.release();
  while (!publisher.available) await sleep(10);
  await publisher.publish(topics.paymentsRaw, [payment('t-2')]);
  assert.deepEqual(ids(producer.sent), ['t-1', 't-2']);
});

test('closing confirms what was taken and refuses what comes later', async () => {
  const { publisher, producer } = createPublisher({ lingerMs: 60_000 });
  const taken = publisher.publish(topics.paymentsRaw, [payment('t-1')]);
  await publisher.close();
  await taken;
  assert.deepEqual(ids(producer.sent), ['t-1']);
  await assert.rejects(publisher.publish(topics.paymentsRaw, [payment('t-2')]), { code: 'closed' });
});

test('closing does not wait for a Kafka that is away', async () => {
  const { publisher, producer } = createPublisher({ confirmMsMax: 20 });
  producer.hold();
  await assert.rejects(publisher.publish(topics.paymentsRaw, [payment('t-1')]), { code: 'unavailable' });
  await publisher.close();
  producer.release();
});

test('memory stays flat while Kafka is away: refused calls leave nothing behind', async () => {
  const { publisher, producer } = createPublisher({ queueRecordsMax: 100 });
  producer.hold();
  const outcomes = await Promise.allSettled([
    sleep(20),
    ...Array.from({ length: 1_000 }, (_, index) =>
      Promise.race([publisher.publish(topics.paymentsRaw, [payment(`t-${index}`)]), sleep(50)]),
    ),
  ]);
  assert.equal(outcomes.filter(({ status }) => status === 'rejected').length, 900);
  assert.equal(publisher.depth, 100);
  producer.release();
  await publisher.close();
  assert.equal(publisher.depth, 0);
});

test('a caller by callback is told once, and only after Kafka has the last of its batches', async () => {
  const { publisher, producer } = createPublisher({ batchRecordsMax: 2 });
  const told: (Error | undefined)[] = [];
  producer.hold();
  const events = ['t-1', 't-2', 't-3'].map((id) => payment(id));
  publisher.take([{ contract: topics.paymentsRaw, events }], undefined, (error) => told.push(error));
  await sleep(20);
  assert.equal(told.length, 0);
  producer.release();
  while (told.length === 0) await sleep(1);
  assert.deepEqual(ids(producer.sent), ['t-1', 't-2', 't-3']);

  producer.failWith(new Error('no broker'));
  publisher.take([{ contract: topics.paymentsRaw, events }], undefined, (error) => told.push(error));
  while (told.length === 1) await sleep(1);
  await sleep(20); // both of its batches have failed
  publisher.take([{ contract: topics.paymentsRaw, events }], undefined, (error) => told.push(error));
  assert.deepEqual(
    told.map((error) => (error as { code?: string } | undefined)?.code),
    [undefined, 'unavailable', 'unavailable'],
  );
});

test('what a caller asks for while it is told goes behind everything that waits', async () => {
  const { publisher, producer } = createPublisher();
  producer.hold();
  const done = Promise.withResolvers<void>();
  publisher.take([{ contract: topics.paymentsRaw, events: [payment('t-1')] }], undefined, () => {
    publisher.take([{ contract: topics.paymentsRaw, events: [payment('t-3')] }], undefined, () => done.resolve());
  });
  await sleep(20);
  const second = publisher.publish(topics.paymentsRaw, [payment('t-2')]);
  producer.release();
  await Promise.all([second, done.promise]);
  assert.deepEqual(ids(producer.sent), ['t-1', 't-2', 't-3']);
  assert.equal(publisher.depth, 0);
});
