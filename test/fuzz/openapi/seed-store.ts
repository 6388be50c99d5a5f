import assert from 'node:assert/strict';
import { ask, decided, eventually, type Platform, pay, post } from '@millrace/test-platform';
import { newPayment } from '../payment.ts';

/** Values of path parameters of which the API has something to say. */
export type KnownValues = Readonly<Record<string, readonly string[]>>;

/** Sends a few events, and resolves when the API can answer questions about them. */
export async function seedStore(platform: Platform): Promise<KnownValues> {
  const payments = [newPayment(), newPayment()];
  await pay(platform, payments);
  const reading = { device_id: 'fuzz-device', event_time: Date.now(), metrics: { temperature: 21.5 } };
  assert.equal((await post(`${platform.ingest}/v1/telemetry`, reading)).status, 202);
  for (const { transaction_id } of payments) await decided(platform, transaction_id);
  await eventually(() => ask(platform, '/v1/devices/fuzz-device'));
  return {
    transaction_id: payments.map(({ transaction_id }) => transaction_id),
    customer_id: ['fuzz-customer'],
    merchant_id: ['fuzz-merchant'],
    device_id: ['fuzz-device'],
    sender: ['fuzz-sender'],
  };
}
