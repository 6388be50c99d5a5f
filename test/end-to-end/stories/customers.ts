import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, decided, eventually, load, type Platform, pay, seededRandom, shuffled } from '@millrace/test-platform';
import { payment } from '../payment.ts';

const RECORDS = [
  {
    source: 'crm',
    updated_at: '2026-01-01T10:00:00Z',
    fields: { name: 'Ana', email: 'old@example.org', phone: '111' },
  },
  { source: 'accounts', updated_at: '2026-01-02T10:00:00Z', fields: { phone: '222', income: 2_400 } },
  { source: 'crm', updated_at: '2026-01-03T10:00:00Z', fields: { email: 'ana@example.org' } },
  { source: 'kyc', updated_at: '2026-01-04T10:00:00Z', fields: { name: 'Ana Sousa', verified: true } },
];

const PROFILE = {
  email: { value: 'ana@example.org', source: 'crm', updated_at: '2026-01-03T10:00:00.000Z' },
  income: { value: 2_400, source: 'accounts', updated_at: '2026-01-02T10:00:00.000Z' },
  name: { value: 'Ana Sousa', source: 'kyc', updated_at: '2026-01-04T10:00:00.000Z' },
  phone: { value: '222', source: 'accounts', updated_at: '2026-01-02T10:00:00.000Z' },
  verified: { value: true, source: 'kyc', updated_at: '2026-01-04T10:00:00.000Z' },
};

export function customerStories(platform: Platform): void {
  test('what several sources know of a customer becomes one profile in any order, and payments carry it', async (t) => {
    const random = seededRandom(t);
    const orders = {
      'told-in-order': RECORDS,
      'told-backwards': RECORDS.toReversed(),
      'told-anyhow': shuffled(RECORDS, random),
    };
    for (const [customer_id, records] of Object.entries(orders)) {
      for (const record of records) await load(platform, 'customers', [{ customer_id, ...record }]);
    }
    for (const customer_id of Object.keys(orders)) {
      await eventually(async () => {
        const { profile } = await ask(platform, `/v1/customers/${customer_id}`);
        assert.deepEqual(profile?.fields, PROFILE);
      });
      await pay(platform, payment(`paid-by-${customer_id}`, { customer_id }));
    }
    for (const customer_id of Object.keys(orders)) {
      const { payment: stored } = await decided(platform, `paid-by-${customer_id}`);
      assert.deepEqual(stored.profile, PROFILE);
    }
  });
}
