import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Answer,
  countOf,
  decided,
  eventually,
  get,
  type Json,
  type Platform,
  post,
} from '@millrace/test-platform';
import { payment } from '../payment.ts';

const DECISIONS = ['approve', 'review', 'decline'];

export function authorisationStories(platform: Platform): void {
  test('a shop that waits for the decision has it with the answer, and again when it asks again', async () => {
    const { transaction_id, ...nameless } = payment('authorised', { customer_id: 'waiting' });
    const key = { 'idempotency-key': String(transaction_id) };
    const first = await authorise(platform, nameless, key);
    assert.equal(first.body.decision, 'approve');
    const again = await authorise(platform, nameless, key);
    assert.deepEqual(again.body, first.body);

    const { decision: stored } = await decided(platform, 'authorised');
    for (const field of ['transaction_id', 'decision', 'score', 'late', 'rules_hash', 'decided_at', 'trace_id']) {
      assert.deepEqual(first.body[field], stored[field], field);
    }
    // The link leads to the same.
    const linked = await get(String(first.body.decision_url));
    assert.deepEqual([linked.status, linked.body], [200, stored]);
    assert.deepEqual(await countOf(platform, 'decisions', 'authorised'), { rows: 1, distinct: 1 });

    const other = await post(`${platform.ingest}/v1/payments`, { ...nameless, amount: '99.00' }, key);
    assert.equal(other.status, 422);
  });

  test('a card that is tried again and again is no longer authorised, and the shop is told why', async () => {
    const firstMs = Date.now() - 110_000;
    const answers: Answer[] = [];
    for (let number = 0; number < 12; number += 1) {
      const attempt = payment(`asked-${number}`, {
        customer_id: 'robbed-while-asking',
        card_id: 'asked-card',
        merchant_id: `asking-shop-${number}`,
        channel: 'ecom',
        event_time: firstMs + number * 10_000,
        amount: `${number % 2}.${50 + number}`,
        status: number % 3 === 2 ? 'declined' : 'authorised',
      });
      answers.push(await authorise(platform, attempt));
    }
    assert.equal(answers[0]?.body.decision, 'approve');
    const last = answers.at(-1)?.body;
    assert.notEqual(last.decision, 'approve');
    assert.ok(last.score > 0);
    assert.ok(last.rules.length > 0 && last.rules.every(({ id, reason }: Json) => id && reason), JSON.stringify(last));
  });
}

/** As a shop does that takes no link for an answer: sends the payment again, until it has its decision. */
function authorise(platform: Platform, sent: Json, headers: Record<string, string> = {}): Promise<Answer> {
  return eventually(async () => {
    const answer = await post(`${platform.ingest}/v1/payments?wait=decision`, sent, headers);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.ok(DECISIONS.includes(answer.body.decision));
    return answer;
  });
}
