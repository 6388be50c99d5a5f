/**
 * What it costs one core to read and to write a payment. Prints a table, and JSON as the last line; exits with 1 when
 * one of the codecs costs more than `LIMIT_US` (parsing and checking a payment has to stay below it).
 *
 * The measures take turns, and each counts its fastest turn: whatever else runs on the machine only adds to the others.
 * The payments differ, as they do in life: one payment read again and again would flatter the caches. JSON.parse alone
 * is there as the floor.
 */
import { AGE_MAX_MS, createTopics, parsePayment, samples, wireSamples } from '@millrace/contracts';

const LIMIT_US = 5;
const PAYMENTS = 5_000;
const TURNS = 40;
const NOW_MS = 1_772_366_400_000;
/** Keeps the compiler from leaving the work out. */
export let kept: unknown;

const topics = createTopics();
const wireOptions = { nowMs: NOW_MS, maxAgeMs: AGE_MAX_MS, tokenizeCard: (digits: string) => `tok_${digits.length}` };
const wireTexts = Array.from({ length: PAYMENTS }, (_, index) => JSON.stringify(wirePayment(index)));
const payments = wireTexts.map((text) => parsePayment(JSON.parse(text), wireOptions));
const records = payments.map((payment) => new TextEncoder().encode(topics.paymentsRaw.encode(payment)));
const recordTexts = payments.map((payment) => topics.paymentsRaw.encode(payment));
const enriched = payments.map((payment) => ({ ...samples.enrichedPayment, ...payment }));
const enrichedRecords = enriched.map((payment) => new TextEncoder().encode(topics.paymentsEnriched.encode(payment)));

const measures: readonly { name: string; limitUs?: number; once: (index: number) => unknown }[] = [
  { name: 'wire: JSON.parse alone', once: (index) => JSON.parse(at(wireTexts, index)) },
  {
    name: 'wire: JSON.parse and parsePayment',
    limitUs: LIMIT_US,
    once: (index) => parsePayment(JSON.parse(at(wireTexts, index)), wireOptions),
  },
  { name: 'payment.v1: JSON.parse alone', once: (index) => JSON.parse(at(recordTexts, index)) },
  { name: 'payment.v1: decode', limitUs: LIMIT_US, once: (index) => topics.paymentsRaw.decode(at(records, index)) },
  { name: 'payment.v1: encode', limitUs: LIMIT_US, once: (index) => topics.paymentsRaw.encode(at(payments, index)) },
  { name: 'enriched-payment.v1: decode', once: (index) => topics.paymentsEnriched.decode(at(enrichedRecords, index)) },
  { name: 'enriched-payment.v1: encode', once: (index) => topics.paymentsEnriched.encode(at(enriched, index)) },
];

const fastestUs = measures.map(() => Number.POSITIVE_INFINITY);
for (let turn = 0; turn < TURNS; turn += 1) {
  for (const [index, { once }] of measures.entries()) {
    fastestUs[index] = Math.min(at(fastestUs, index), turnUs(once));
  }
}
const rows = measures.map(({ name, limitUs }, index) => ({
  name,
  us: Number(at(fastestUs, index).toFixed(3)),
  limitUs,
}));
const ok = rows.every(({ us, limitUs }) => limitUs === undefined || us < limitUs);

console.log(`Time per payment on one core, the fastest of ${TURNS} turns over ${PAYMENTS} payments`);
for (const { name, us, limitUs } of rows) {
  const verdict = limitUs === undefined ? '' : us < limitUs ? `under ${limitUs}` : `OVER ${limitUs}`;
  console.log(`  ${name.padEnd(36)} ${us.toFixed(2).padStart(6)} us  ${verdict}`.trimEnd());
}
console.log(JSON.stringify({ benchmark: 'codecs', ok, rows }));
process.exitCode = ok ? 0 : 1;

function turnUs(once: (index: number) => unknown): number {
  const startMs = performance.now();
  for (let index = 0; index < PAYMENTS; index += 1) kept = once(index);
  return ((performance.now() - startMs) * 1_000) / PAYMENTS;
}

/** Payments with all common fields; half of them with an attribute, and half of the times as text. */
function wirePayment(index: number) {
  const { entry_mode, ...sample } = wireSamples.payment;
  const timeMs = NOW_MS - index * 977;
  return {
    ...sample,
    transaction_id: `tx-${index.toString(36)}-${(index * 7919) % 10_007}`,
    event_time: index % 2 === 0 ? timeMs : new Date(timeMs).toISOString(),
    customer_id: `cust-${(index * 31) % 5_000}`,
    card_id: `card-${(index * 31) % 5_000}-1`,
    merchant_id: `shop-${(index * 17) % 997}`,
    amount: index % 2 === 0 ? ((index * 37) % 90_000) / 100 : (((index * 37) % 90_000) / 100).toFixed(2),
    latitude: 38 + (index % 1_000) / 1_000,
    longitude: -9 - (index % 1_000) / 1_000,
    ip: `10.${index % 256}.${(index * 3) % 256}.7`,
    ...(index % 4 < 2 ? { entry_mode } : {}),
  };
}

function at<T>(list: readonly T[], index: number): T {
  const value = list[index];
  if (value === undefined) throw new RangeError(`no element ${index}`);
  return value;
}
