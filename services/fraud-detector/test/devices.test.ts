import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDetector, HOUR_MS, MINUTE_MS, START_MS } from './detector.ts';

test('a tamper alarm raises an alert and counts against the payments at that terminal for a day', () => {
  const { pay, read, deviceAlerts } = createDetector();
  const at = (ms: number, terminal_id = 't-1') =>
    pay({
      transaction_id: `tx-${ms}`,
      event_time: START_MS + ms,
      terminal_id,
      card_id: `card-${ms}`,
      customer_id: `c-${ms}`,
    });
  read();
  const [alert, ...others] = deviceAlerts();
  assert.equal(others.length, 0);
  assert.deepEqual(
    [alert?.alert_id, alert?.kind, alert?.device_id, alert?.merchant_id, alert?.rules[0]?.id],
    [`device:t-1:${START_MS}:1:device-tamper`, 'device', 't-1', 'm-1', 'device-tamper'],
  );
  const after = at(HOUR_MS);
  assert.deepEqual(
    [after.decision, after.features.terminal_tamper_age_h, after.rules[0]?.id],
    ['review', 1, 'tampered-terminal'],
  );
  assert.equal(at(2 * HOUR_MS, 't-2').decision, 'approve');
  assert.equal(at(25 * HOUR_MS).decision, 'approve');
  assert.equal(at(-1).features.terminal_tamper_age_h, undefined);
});

test('an alarm that goes on is one alert', () => {
  const { read, deviceAlerts } = createDetector();
  for (let n = 0; n < 60; n++) read({ sequence: n, event_time: START_MS + n * 5_000 });
  assert.equal(deviceAlerts().length, 1);
});

test('a sensor that jumps out of its range raises an alert that says what was usual, after a restore as well', () => {
  const { read, deviceAlerts, driver } = createDetector();
  const measure = (n: number, temperature: number) =>
    read({
      device_id: 'fridge',
      owner_id: 'fridge',
      kind: 'sensor',
      sequence: n,
      event_time: START_MS + n * MINUTE_MS,
      metrics: { temperature },
    });
  for (let n = 0; n < 60; n++) measure(n, 4 + (n % 3) / 10);
  driver.restart();
  assert.deepEqual(deviceAlerts(), []);
  measure(60, 19);
  const [alert] = deviceAlerts();
  assert.deepEqual(alert?.rules[0]?.values, { temperature: 19 });
  assert.equal(alert?.merchant_id, undefined);
  assert.equal(
    alert?.summary,
    'sensor fridge: temperature is 19. A value lies far from what the device usually measures.',
  );
  assert.ok(Math.abs((alert?.features?.mean ?? 0) - 4.1) < 0.05);
});
