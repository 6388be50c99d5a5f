import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Payment, samples } from '@millrace/contracts';
import { createFakeDecisions, decisionOf, recordOf } from './fake-decisions.ts';

const PAYMENT: Payment = { ...samples.payment, transaction_id: 't-1', customer_id: 'customer-1' };
const kept = async () => {};
const staying = () => {};

test('a decision that comes in time is the answer, without what only analysts need', async () => {
  const { waits, outcomes } = createFakeDecisions();
  const answer = waits.decide(PAYMENT, kept, staying);
  await turn();
  waits.take(recordOf(decisionOf('t-2')));
  waits.take(recordOf(decisionOf('t-1')));
  assert.deepEqual(JSON.parse((await answer) ?? ''), {
    accepted: 1,
    transaction_id: 't-1',
    decision: 'decline',
    score: 850,
    rules: [
      {
        id: 'terminal-tampered',
        version: 3,
        reason: 'The terminal raised a tamper alarm shortly before',
        weight: 850,
      },
    ],
    late: false,
    rules_hash: '9f86d081884c7d65',
    decided_at: '2026-03-01T12:00:00.180Z',
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    decision_url: 'https://api.example/v1/decisions/t-1',
  });
  assert.deepEqual([outcomes, waits.waiting], [['decided'], 0]);
});

test('decisions are read before the payment is written', async () => {
  const fake = createFakeDecisions();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  fake.listenWith(promise);
  const answer = fake.waits.decide(PAYMENT, async () => void fake.calls.push('keep'), staying);
  await turn();
  assert.deepEqual(fake.calls, ['listen']);
  resolve(true);
  await turn();
  assert.deepEqual(fake.calls, ['listen', 'keep']);
  fake.waits.take(recordOf(decisionOf('t-1')));
  assert.ok(await answer);
});

test('there is no answer before the payment is kept, however early its decision comes', async () => {
  const { waits } = createFakeDecisions();
  const { promise, resolve } = Promise.withResolvers<void>();
  let answered = false;
  const answer = waits
    .decide(PAYMENT, () => promise, staying)
    .finally(() => {
      answered = true;
    });
  await turn();
  waits.take(recordOf(decisionOf('t-1')));
  await turn();
  assert.equal(answered, false);
  resolve();
  assert.ok(await answer);
});

test('a payment that is not kept has no answer but that, and the decision it may get all the same is remembered', async () => {
  const { waits, outcomes } = createFakeDecisions();
  const failure = new Error('Kafka did not confirm');
  await assert.rejects(
    waits.decide(PAYMENT, () => Promise.reject(failure), staying),
    failure,
  );
  assert.deepEqual([outcomes, waits.waiting], [[], 0]);
  waits.take(recordOf(decisionOf('t-1')));
  assert.ok(await waits.decide(PAYMENT, kept, staying));
  assert.deepEqual(outcomes, ['remembered']);
});

test('past the wait there is none, and one that comes later is given to the same payment when it is sent again', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { waits, outcomes } = createFakeDecisions({ waitMs: 200 });
  const answer = waits.decide(PAYMENT, kept, staying);
  await turn();
  t.mock.timers.tick(199);
  await turn();
  assert.equal(waits.waiting, 1);
  t.mock.timers.tick(1);
  assert.equal(await answer, undefined);
  waits.take(recordOf(decisionOf('t-1')));

  const { write, written } = createWrites();
  const first = await waits.decide(PAYMENT, write, staying);
  const second = await waits.decide(PAYMENT, write, staying);
  assert.equal(JSON.parse(first ?? '').decision, 'decline');
  assert.equal(second, first);
  // Whoever sends a payment again may have had no answer because it was not kept.
  assert.equal(written(), 2);
  assert.deepEqual(outcomes, ['late', 'remembered', 'remembered']);
});

test('the first decision of a payment counts', async () => {
  const { waits } = createFakeDecisions();
  const answer = waits.decide(PAYMENT, kept, staying);
  await turn();
  waits.take(recordOf(decisionOf('t-1', { decision: 'approve' })));
  waits.take(recordOf(decisionOf('t-1', { decision: 'review' })));
  assert.equal(JSON.parse((await answer) ?? '').decision, 'approve');
  assert.equal(JSON.parse((await waits.decide(PAYMENT, kept, staying)) ?? '').decision, 'approve');
});

test('two who send the same payment at the same time get the same decision', async () => {
  const { waits } = createFakeDecisions();
  const answers = [waits.decide(PAYMENT, kept, staying), waits.decide(PAYMENT, kept, staying)];
  await turn();
  assert.equal(waits.waiting, 2);
  waits.take(recordOf(decisionOf('t-1')));
  const [one, other] = await Promise.all(answers);
  assert.ok(one);
  assert.equal(other, one);
});

test('the decision about another customer under the same id is not taken for it', async () => {
  const { waits, outcomes } = createFakeDecisions();
  const answer = waits.decide(PAYMENT, kept, staying);
  await turn();
  waits.take(recordOf(decisionOf('t-1', { customer_id: 'customer-2', decision: 'approve' })));
  waits.take(recordOf(decisionOf('t-1', { decision: 'review' })));
  assert.equal(JSON.parse((await answer) ?? '').decision, 'review');
  assert.deepEqual(outcomes, ['decided']);
});

test('where decisions cannot be read, the payment is kept and nobody waits', async () => {
  const { waits, outcomes, listenWith } = createFakeDecisions();
  listenWith(Promise.resolve(false));
  const { write, written } = createWrites();
  const answer = await waits.decide(PAYMENT, write, staying);
  assert.deepEqual([answer, written(), outcomes, waits.waiting], [undefined, 1, ['unavailable'], 0]);
});

test('a reader that does not start holds the payment up no longer than the wait', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { waits, outcomes, listenWith } = createFakeDecisions({ waitMs: 200 });
  listenWith(new Promise(() => {}));
  const { write, written } = createWrites();
  const answer = waits.decide(PAYMENT, write, staying);
  await turn();
  assert.equal(written(), 0);
  t.mock.timers.tick(200);
  assert.equal(await answer, undefined);
  assert.deepEqual([written(), outcomes], [1, ['late']]);
});

test('when as many wait as may, a further payment is kept and told at once where its decision will be', async () => {
  const { waits, outcomes } = createFakeDecisions({ limits: { waitsMax: 2 } });
  const waiting = ['t-1', 't-2'].map((transaction_id) => waits.decide({ ...PAYMENT, transaction_id }, kept, staying));
  await turn();
  const { write, written } = createWrites();
  const further = waits.decide({ ...PAYMENT, transaction_id: 't-3' }, write, staying);
  assert.equal(await further, undefined);
  assert.deepEqual([written(), outcomes], [1, ['full']]);
  for (const id of ['t-1', 't-2']) waits.take(recordOf(decisionOf(id)));
  assert.ok((await Promise.all(waiting)).every((answer) => answer !== undefined));
  assert.equal(waits.waiting, 0);
});

test('a caller that hangs up is waited for no longer', async () => {
  const { waits, outcomes } = createFakeDecisions();
  let hangUp = () => {};
  const answer = waits.decide(PAYMENT, kept, (leave) => {
    hangUp = leave;
  });
  await turn();
  hangUp();
  assert.equal(await answer, undefined);
  assert.deepEqual([outcomes, waits.waiting], [['gone'], 0]);
});

test('a stop ends all waits, and lets no further one begin', async () => {
  const { waits, outcomes } = createFakeDecisions();
  const answer = waits.decide(PAYMENT, kept, staying);
  await turn();
  waits.stop();
  assert.equal(await answer, undefined);
  assert.equal(await waits.decide({ ...PAYMENT, transaction_id: 't-2' }, kept, staying), undefined);
  assert.deepEqual(outcomes, ['stopped', 'stopped']);
});

test('what is remembered is bounded: the oldest payments are forgotten', async () => {
  const { waits, outcomes } = createFakeDecisions({ limits: { rememberedMax: 2 } });
  for (const transaction_id of ['t-1', 't-2', 't-3']) {
    const answer = waits.decide({ ...PAYMENT, transaction_id }, kept, staying);
    await turn();
    waits.take(recordOf(decisionOf(transaction_id)));
    assert.ok(await answer);
  }
  assert.ok(await waits.decide({ ...PAYMENT, transaction_id: 't-3' }, kept, staying));
  const forgotten = waits.decide(PAYMENT, kept, staying);
  await turn();
  assert.equal(waits.waiting, 1);
  waits.stop();
  await forgotten;
  assert.deepEqual(outcomes, ['decided', 'decided', 'decided', 'remembered', 'stopped']);
});

test('a decision that nobody waits for is not even decoded, and one that is none ends nothing', async () => {
  const fake = createFakeDecisions();
  const { waits } = fake;
  const answer = waits.decide(PAYMENT, kept, staying);
  await turn();
  waits.take(recordOf(decisionOf('t-2')));
  assert.equal(fake.readings, 0);
  waits.take({ ...recordOf(decisionOf('t-1')), value: Buffer.from('{"decision": "perhaps"}') });
  waits.take({ ...recordOf(decisionOf('t-1')), value: null });
  await turn();
  assert.equal(waits.waiting, 1);
  waits.take(recordOf(decisionOf('t-1')));
  assert.ok(await answer);
});

function createWrites() {
  let writes = 0;
  return {
    write: async () => {
      writes += 1;
    },
    written: () => writes,
  };
}

/** Lets everything go on that waits for nothing but its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
