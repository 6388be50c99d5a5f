import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decided, eventually, type Platform, pay, select } from '@millrace/test-platform';
import { kafkaOf } from '../kafka-access.ts';
import { payment } from '../payment.ts';

const NOT_JSON = Buffer.from([0x7b, 0x22, 0xff, 0x00, 0x0a]);
const NOT_A_PAYMENT = Buffer.from('{"transaction_id":"poison","amount_minor":"12"}');

export function poisonStories(platform: Platform): void {
  for (const topic of ['payments.raw', 'payments.enriched']) {
    test(`a poison record in ${topic} becomes a dead letter, and the payment behind it is decided`, async (t) => {
      const customer_id = `poisoned-${topic}`;
      const producer = await kafkaOf(t, platform).producer();
      t.after(() => producer.close());
      const records = [NOT_JSON, NOT_A_PAYMENT].map((value) => ({ key: customer_id, value }));
      await producer.send([{ topic, records }]);

      const id = `behind-poison-in-${topic}`;
      await pay(platform, payment(id, { customer_id }));
      assert.equal((await decided(platform, id)).decision.decision, 'approve');

      await eventually(async () => {
        const letters = await select(
          platform,
          `SELECT DISTINCT value_base64, reason != '' AS has_reason, message != '' AS has_message
           FROM millrace.dead_letters WHERE origin.topic = {topic:String} AND key = {customer_id:String}`,
          { topic, customer_id },
        );
        const letter = { has_reason: 1, has_message: 1 };
        const expected = [NOT_JSON, NOT_A_PAYMENT].map((bytes) => ({
          value_base64: bytes.toString('base64'),
          ...letter,
        }));
        assert.deepEqual(new Set(letters), new Set(expected));
      });
      const sql = `SELECT count() AS rows FROM millrace.payments WHERE transaction_id = 'poison'`;
      assert.deepEqual(await select(platform, sql), [{ rows: 0 }], 'and no payment is made of it');
    });
  }
}
