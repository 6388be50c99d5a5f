import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ask,
  countOf,
  eventually,
  get,
  isNotYet,
  type Json,
  type Platform,
  post,
  SERVICES,
  type Service,
  seededRandom,
  shuffled,
} from '@millrace/test-platform';
import { payment } from '../payment.ts';

/** Payments of the drill: 2 senders, 20 at a time, about 5 times a second each. */
const SENDERS = 2;
const BATCH = 20;
const BATCH_PAUSE_MS = 200;
const CUSTOMERS = 300;
/** One service is killed this long after the one before. */
const KILL_EVERY_MS_MIN = 3_000;
const KILL_EVERY_MS_MAX = 7_000;
const RETRY_MS = 250;

export function killDrillStories(platform: Platform): void {
  test('whichever service is killed under load, every acknowledged payment is stored and decided exactly once', async (t) => {
    const random = seededRandom(t);
    const over = new AbortController();
    const senders = Array.from({ length: SENDERS }, (_, sender) =>
      sendUntil(over.signal, platform, (batch, place) => drillPayment(`drill-${sender}-${batch}-${place}`, random)),
    );
    try {
      for (const service of shuffled(SERVICES, random)) {
        await sleep(KILL_EVERY_MS_MIN + random() * (KILL_EVERY_MS_MAX - KILL_EVERY_MS_MIN));
        await kill(platform, service);
        t.diagnostic(`killed ${service}`);
      }
      await eventually(() => allReady(platform));
    } finally {
      over.abort();
    }
    const accepted = (await Promise.all(senders)).flat();
    t.diagnostic(`${accepted.length} payments acknowledged`);
    await report(platform, accepted);

    const once = { rows: accepted.length, distinct: accepted.length };
    for (const table of ['payments', 'decisions']) {
      await eventually(async () => assert.deepEqual(await countOf(platform, table, 'drill-'), once, table));
    }
    const all = accepted.length;
    const hops = { accepted: all, raw: all, enriched: all, decided: all, stored: all, lost: 0, duplicated: 0 };
    await eventually(async () => {
      const { payments } = await ask(platform, '/v1/reconciliation?sender=kill-drill');
      assert.deepEqual(payments, hops);
    });
    // Of everything since the start, once it has settled.
    const raw = await countOf(platform, 'payments_raw', '');
    await eventually(async () => {
      const { payments, telemetry } = await ask(platform, '/v1/reconciliation');
      assert.ok(payments.accepted >= raw.distinct, `${payments.accepted} of ${raw.distinct} are settled`);
      for (const { lost, duplicated } of [payments, telemetry]) assert.deepEqual([lost, duplicated], [0, 0]);
    });
    assert.equal(
      platform.group.output().match(/died \(signal SIGKILL\), restarting in 250 ms/g)?.length,
      SERVICES.length,
    );
  });
}

/** Posts batch after batch, each with the same ids until it is acknowledged; resolves to the ids that were. */
async function sendUntil(
  signal: AbortSignal,
  platform: Platform,
  create: (batch: number, place: number) => Json,
): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let number = 0; !signal.aborted; number += 1) {
    const batch = Array.from({ length: BATCH }, (_, place) => create(number, place));
    while (!(await isAcknowledged(platform, batch))) await sleep(RETRY_MS);
    for (const { transaction_id } of batch) acknowledged.push(String(transaction_id));
    await sleep(BATCH_PAUSE_MS);
  }
  return acknowledged;
}

/** Between a kill and the restart nobody answers, or the connection breaks in the middle; ingest may also say 503. */
async function isAcknowledged(platform: Platform, batch: Json[]): Promise<boolean> {
  try {
    const { status, body } = await post(`${platform.ingest}/v1/payments`, batch);
    if (status === 202) return true;
    assert.equal(status, 503, JSON.stringify(body));
    return false;
  } catch (error) {
    if (!isNotYet(error) || error instanceof assert.AssertionError) throw error;
    return false;
  }
}

function drillPayment(transactionId: string, random: () => number): Json {
  const customer = Math.floor(random() * CUSTOMERS);
  return payment(transactionId, {
    customer_id: `drill-customer-${customer}`,
    card_id: `drill-card-${customer}`,
    merchant_id: `drill-shop-${Math.floor(random() * 20)}`,
    amount: (1 + random() * 300).toFixed(2),
  });
}

async function kill(platform: Platform, service: Service): Promise<void> {
  const pid = await eventually(() => platform.pidOf(service));
  process.kill(pid, 'SIGKILL');
  await eventually(() => assert.notEqual(platform.pidOf(service), pid));
}

async function allReady(platform: Platform): Promise<void> {
  for (const service of SERVICES) {
    const { status } = await get(`${platform.admin(service)}/health/ready`);
    assert.equal(status, 200, `${service} is not ready`);
  }
}

/** Tells the API what was acknowledged, so that reconciliation knows it from outside the pipeline. */
async function report(platform: Platform, ids: readonly string[]): Promise<void> {
  const acknowledged_at = Date.now();
  const lines = ids.map((id) => JSON.stringify({ kind: 'payment', id, acknowledged_at })).join('\n');
  await eventually(async () => {
    const headers = { 'content-type': 'application/x-ndjson', 'x-ledger-sequence': '1' };
    const { status, body } = await post(`${platform.api}/v1/ledgers/kill-drill`, lines, headers);
    assert.equal(status, 202, JSON.stringify(body));
  });
}
