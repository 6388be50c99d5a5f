import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLabel, parsePayment, parseTelemetry } from '@millrace/contracts';
import { createWorld } from '@millrace/simulator';
import { createDetector, MINUTE_MS, START_MS } from './detector.ts';

const SEED = 4;
const WIRE = { maxAgeMs: Number.POSITIVE_INFINITY, tokenizeCard: (pan: string) => pan };

test('a life without fraud is approved with few exceptions, and much of the fraud is not', (t) => {
  const world = createWorld({
    seed: SEED,
    startMs: START_MS,
    runId: 'run',
    paymentsPerSecond: 4,
    shoppers: 1_500,
    merchants: 300,
    devices: 40,
    readingIntervalMs: 10_000,
    fraudRate: 0.05,
  });
  const { send, driver, topics } = createDetector();
  const known = new Set<string>();
  const counted = { honest: 0, honestStopped: 0, fraud: 0, fraudStopped: 0 };
  for (const event of world.events(START_MS + 20 * MINUTE_MS)) {
    const options = { ...WIRE, nowMs: event.sendAtMs };
    if (event.kind === 'label') driver.pipe(topics.fraudLabels.name, { value: parseLabel(event.event, options) });
    if (event.kind === 'telemetry') {
      const reading = parseTelemetry(event.event, options);
      const owner_id = `mer-of-${reading.device_id}`;
      driver.pipe(topics.telemetryEnriched.name, { value: { ...reading, owner_id } });
    }
    if (event.kind !== 'payment' || known.has(event.event.transaction_id)) continue;
    known.add(event.event.transaction_id);
    const isStopped = send(parsePayment(event.event, options)).decision !== 'approve';
    if (event.scenario === undefined) {
      counted.honest += 1;
      counted.honestStopped += isStopped ? 1 : 0;
    } else {
      counted.fraud += 1;
      counted.fraudStopped += isStopped ? 1 : 0;
    }
  }
  t.diagnostic(`seed ${SEED}: ${JSON.stringify(counted)}`);
  assert.ok(counted.honest > 4_000 && counted.fraud > 40, 'the world must be large enough to say something');
  assert.ok(counted.honestStopped / counted.honest < 0.02, 'under 2 % of honest payments are stopped');
  assert.ok(counted.fraudStopped / counted.fraud > 0.4, 'much of the fraud is stopped');
});
