import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Redrive, samples } from '@millrace/contracts';
import { type Kafka, KafkaError } from '@millrace/kafka';
import type { RedriveResult } from '../../src/redrive/letter.ts';
import { base64, createRedriveWorld, headerOf, paymentLetters, TRACEPARENT } from './world.ts';

const statuses = (results: readonly RedriveResult[]) => results.map(({ status }) => status);
const counted = (results: readonly RedriveResult[]) =>
  Object.fromEntries([...Map.groupBy(results, ({ status }) => status)].map(([status, some]) => [status, some.length]));

test('a letter is sent again with its trace and its own name, once, and a mark says so', async (t) => {
  const { topics, createRedriver, readTopic } = await createRedriveWorld(t);
  const letters = paymentLetters(topics.paymentsRaw.name, 3);
  const redriver = createRedriver();
  const [first] = letters;
  assert.ok(first);

  assert.deepEqual(statuses(await redriver.check(letters)), ['redrivable', 'redrivable', 'redrivable']);
  assert.equal((await readTopic(topics.paymentsRaw)).length, 0, 'a dry run writes nothing');

  const before = Date.now();
  assert.deepEqual(await redriver.redrive([first, first]), [
    { id: first.id, status: 'redriven', topic: topics.paymentsRaw.name, event_ids: ['t-0'] },
    { id: first.id, status: 'redriven', topic: topics.paymentsRaw.name, event_ids: ['t-0'] },
  ]);
  const [record, ...others] = await readTopic(topics.paymentsRaw);
  assert.ok(record !== undefined && others.length === 0);
  assert.deepEqual(topics.paymentsRaw.decode(record.value ?? Buffer.alloc(0)), {
    ...samples.payment,
    transaction_id: 't-0',
  });
  assert.equal(record.key?.toString(), samples.payment.customer_id);
  assert.equal(record.timestampMs, samples.payment.event_time);
  assert.equal(headerOf(record, 'redriven_from'), first.id);
  assert.equal(headerOf(record, 'redriven_for'), undefined, 'whoever reads payments.raw drops repeats');
  assert.match(headerOf(record, 'traceparent') ?? '', new RegExp(`^${TRACEPARENT.slice(0, 36)}[0-9a-f]{16}-01$`));
  assert.ok(Number(headerOf(record, 'ingested_at')) >= before);

  const again = await createRedriver().redrive(letters);
  assert.deepEqual(statuses(again), ['already-redriven', 'redriven', 'redriven']);
  assert.deepEqual(statuses(await redriver.check(letters)), Array(3).fill('already-redriven'));
  const marks = (await readTopic(topics.deadLettersRedriven)).map(({ value }) =>
    topics.deadLettersRedriven.decode(value ?? Buffer.alloc(0)),
  );
  assert.deepEqual(
    marks.map(({ redriven_at: _, ...mark }) => mark),
    letters.map(({ id }, index): Omit<Redrive, 'redriven_at'> => {
      return { id, stages: ['payments'], topic: topics.paymentsRaw.name, event_ids: [`t-${index}`] };
    }),
  );
});

test('what is refused again, or cannot be redriven, says why and leaves nothing behind', async (t) => {
  const { topics, createRedriver, readTopic } = await createRedriveWorld(t);
  const [right, wrong, gone] = paymentLetters(topics.paymentsRaw.name, 3);
  assert.ok(right && wrong && gone);
  const results = await createRedriver().redrive([
    { ...wrong, value_base64: base64({ ...samples.payment, channel: 'pigeon' }) },
    { ...gone, value_base64: '' },
    right,
  ]);
  assert.deepEqual(statuses(results), ['refused-again', 'not-redrivable', 'redriven']);
  assert.ok(results[0]?.status === 'refused-again' && results[0].problems[0]?.field === 'channel');
  assert.ok(results[1]?.status === 'not-redrivable' && results[1].code === 'no-bytes');
  assert.equal((await readTopic(topics.deadLetters)).length, 0);
  assert.equal((await readTopic(topics.deadLettersRedriven)).length, 1);
  // Mended, it can be.
  assert.deepEqual(statuses(await createRedriver().redrive([wrong])), ['redriven']);
});

test('a record between two of our stages goes to those that had refused it, and later to others that refuse it too', async (t) => {
  const { topics, createRedriver, readTopic } = await createRedriveWorld(t);
  const topic = topics.paymentsEnriched;
  const [letter] = paymentLetters(topic.name, 1, ['customer']);
  assert.ok(letter);
  const redriver = createRedriver();
  assert.deepEqual(statuses(await redriver.redrive([letter])), ['redriven']);
  assert.deepEqual(statuses(await redriver.redrive([letter])), ['already-redriven']);
  const both = { ...letter, stages: ['customer', 'sink'] };
  assert.deepEqual(statuses(await redriver.redrive([both])), ['redriven']);
  assert.deepEqual(statuses(await redriver.redrive([both, letter])), ['already-redriven', 'already-redriven']);
  const records = await readTopic(topic);
  assert.deepEqual(
    records.map((record) => [headerOf(record, 'redriven_for'), headerOf(record, 'ingested_at')]),
    [
      ['customer', '1772366400120'],
      ['sink', '1772366400120'],
    ],
  );
});

test('an old version of reference data does not take the place of a newer one', async (t) => {
  const { topics, kafka, createRedriver, readTopic } = await createRedriveWorld(t);
  const { merchants } = topics;
  const producer = await kafka.producer();
  t.after(() => producer.close());
  const version = (merchant_id: string, updated_at: number) => ({ ...samples.merchant, merchant_id, updated_at });
  const record = (value: typeof samples.merchant) => ({
    key: merchants.key(value),
    value: merchants.encode(value),
    timestampMs: merchants.timestampMs(value),
  });
  await producer.send([
    {
      topic: merchants.name,
      records: [
        { key: 'newer', value: 'poison' },
        record(version('newer', 1_600_000_000_000)),
        { key: 'older', value: 'poison' },
        record(version('older', 1_000_000_000_000)),
        record(version('gone', 1_000_000_000_000)),
        { key: 'gone', value: null },
      ],
    },
  ]);
  const letters = ['newer', 'older', 'gone', 'unknown'].map((id) => ({
    ...(paymentLetters(merchants.name, 1, ['enricher'])[0] as ReturnType<typeof paymentLetters>[number]),
    id,
    value_base64: base64(version(id, 1_500_000_000_000)),
  }));
  const results = await createRedriver().redrive(letters);
  assert.deepEqual(statuses(results), ['not-redrivable', 'redriven', 'not-redrivable', 'redriven']);
  assert.ok(results[0]?.status === 'not-redrivable' && results[0].code === 'superseded');
  assert.deepEqual(
    (await readTopic(merchants)).slice(-2).map(({ key }) => key?.toString()),
    ['older', 'unknown'],
  );
});

test('whoever redrives the same letters at the same time, each is there once', async (t) => {
  const { topics, createRedriver, readTopic } = await createRedriveWorld(t);
  const letters = paymentLetters(topics.paymentsRaw.name, 60);
  const one = createRedriver();
  // Three instances, and one of them is asked twice.
  const answers = await Promise.all(
    [one, one, createRedriver(), createRedriver()].map((each) => each.redrive(letters)),
  );
  const records = await readTopic(topics.paymentsRaw);
  assert.deepEqual(
    records.map((record) => headerOf(record, 'event_id')).sort(),
    letters.map((_, index) => `t-${index}`).sort(),
  );
  const redriven = answers.flat().filter(({ status }) => status === 'redriven');
  assert.equal(redriven.length, letters.length, 'each is reported as redriven by one of them');
  assert.equal(answers.flat().filter(({ status }) => status === 'already-redriven').length, 3 * letters.length);
});

test('a commit of which nobody knows whether it took place is looked up, not repeated', async (t) => {
  const { topics, kafka, createRedriver, readTopic } = await createRedriveWorld(t);
  const letters = paymentLetters(topics.paymentsRaw.name, 5);
  for (const [index, when] of (['after', 'before'] as const).entries()) {
    const { failing, failures } = failOnce(kafka, when);
    const [letter] = letters.slice(index);
    assert.ok(letter);
    assert.deepEqual(statuses(await createRedriver(failing).redrive([letter])), ['redriven'], when);
    assert.equal(failures(), 1);
  }
  const counts = counted(await createRedriver().redrive(letters));
  assert.deepEqual(counts, { 'already-redriven': 2, redriven: 3 });
  assert.equal((await readTopic(topics.paymentsRaw)).length, 5);
});

/** A Kafka whose first commit fails, before or after it took place. */
function failOnce(kafka: Kafka, when: 'before' | 'after') {
  let failures = 0;
  const failing: Pick<Kafka, 'transactionalProducer' | 'reader'> = {
    reader: (options) => kafka.reader(options),
    transactionalProducer: async (options) => {
      const producer = await kafka.transactionalProducer(options);
      return {
        close: () => producer.close(),
        commitTransaction: async (transaction) => {
          if (failures > 0) return await producer.commitTransaction(transaction);
          failures += 1;
          if (when === 'after') await producer.commitTransaction(transaction);
          throw new KafkaError('unavailable', 'no answer', { retriable: true });
        },
      };
    },
  };
  return { failing, failures: () => failures };
}
