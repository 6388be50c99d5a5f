import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { ask, countOf, decided, eventually, type Json, type Platform, pay } from '@millrace/test-platform';
import { listenToAlerts } from '../alert-stream.ts';
import { payment } from '../payment.ts';

export function paymentStories(platform: Platform): void {
  test('a payment can be asked for with its decision, carries the trace of its request, and is stored once', async () => {
    const traceId = randomBytes(16).toString('hex');
    const traceparent = `00-${traceId}-${randomBytes(8).toString('hex')}-01`;
    const sent = payment('traced', { customer_id: 'ana', amount: 12.5, attributes: { basket: 3 } });
    await pay(platform, sent, { traceparent });
    await pay(platform, sent, { traceparent });

    const { payment: stored, decision } = await decided(platform, 'traced');
    assert.equal(stored.amount, '12.50');
    assert.equal(stored.event_time, new Date(Number(sent.event_time)).toISOString());
    assert.deepEqual(stored.attributes, { basket: 3 });
    assert.equal(decision.decision, 'approve');
    assert.equal(decision.trace_id, traceId);

    // In the partition it comes after both, so once it is stored they have all been dealt with.
    await pay(platform, payment('after-traced', { customer_id: 'ana' }));
    await decided(platform, 'after-traced');
    assert.deepEqual(await countOf(platform, 'payments', 'traced'), { rows: 1, distinct: 1 });
    assert.deepEqual(await countOf(platform, 'decisions', 'traced'), { rows: 1, distinct: 1 });
    await eventually(async () =>
      assert.deepEqual(await countOf(platform, 'payments_raw', 'traced'), { rows: 2, distinct: 1 }),
    );
  });

  test('a card that is tried again and again is no longer approved, and analysts see the alert at once', async (t) => {
    const alerts = await listenToAlerts(t, platform);
    const firstMs = Date.now() - 110_000;
    const attempts = Array.from({ length: 12 }, (_, number) =>
      payment(`tried-${number}`, {
        customer_id: 'robbed',
        card_id: 'stolen-card',
        merchant_id: `webshop-${number}`,
        channel: 'ecom',
        event_time: firstMs + number * 10_000,
        amount: `${number % 2}.${50 + number}`,
        status: number % 3 === 2 ? 'declined' : 'authorised',
      }),
    );
    await pay(platform, attempts);

    for (let number = 6; number < attempts.length; number += 1) {
      const { decision } = await decided(platform, `tried-${number}`);
      assert.notEqual(decision.decision, 'approve', `tried-${number}: ${JSON.stringify(decision)}`);
    }
    const seen = await eventually(() => find(alerts, 'tried-11'));
    const listed = await eventually(async () =>
      find((await ask(platform, '/v1/alerts?customer_id=robbed')).items, 'tried-11'),
    );
    assert.equal(seen.kind, 'payment');
    assert.equal(seen.card_id, 'stolen-card');
    assert.deepEqual(listed, seen);
    assert.deepEqual(
      alerts.filter(({ customer_id }) => customer_id !== 'robbed'),
      [],
    );
  });
}

function find(alerts: readonly Json[], transactionId: string): Json {
  return alerts.find(({ transaction_id }) => transaction_id === transactionId) ?? assert.fail(`no ${transactionId}`);
}
