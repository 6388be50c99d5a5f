import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Telemetry } from '@millrace/contracts';
import { type DeviceFinding, type DeviceHabits, judgeReading } from '../src/index.ts';

const SECOND_MS = 1_000;
const START_MS = Date.UTC(2026, 0, 13, 10);

/** Judges readings one after the other, ten seconds apart unless told otherwise. */
function device() {
  let habits: DeviceHabits | undefined;
  let number = 0;
  return {
    read(metrics: Telemetry['metrics'], atMs = number * 10 * SECOND_MS): DeviceFinding[] {
      const reading = { device_id: 'd-1', event_time: START_MS + atMs, metrics };
      const judged = judgeReading(reading, habits);
      // What comes back from the changelog must do as well as what is in memory.
      habits = JSON.parse(JSON.stringify(judged.habits)) as DeviceHabits;
      number += 1;
      return judged.findings;
    },
    habits: () => habits,
  };
}
/** 20.0, 20.5, 21.0, 20.5, ... */
const steady = (n: number) => (n % 2 === 1 ? 20.5 : n % 4 === 0 ? 20 : 21);

test('a value far from what is usual is found once, and again after ten minutes', () => {
  const { read } = device();
  for (let n = 0; n < 100; n++) assert.deepEqual(read({ temperature: steady(n) }), []);
  const [finding, ...others] = read({ temperature: 95 });
  assert.equal(others.length, 0);
  assert.deepEqual(
    [finding?.rule, finding?.metric, finding?.values],
    ['outOfRange', 'temperature', { temperature: 95 }],
  );
  assert.ok(Math.abs((finding?.usual?.mean ?? 0) - 20.5) < 0.2, 'the mean of 20, 20.5, 21, 20.5 is 20.5');
  assert.deepEqual(read({ temperature: 95 }), []);
  assert.deepEqual(
    read({ temperature: 95 }, 1_700 * SECOND_MS).map(({ rule }) => rule),
    ['outOfRange'],
  );
});

test('two metrics out of range are one finding with both values', () => {
  const { read } = device();
  for (let n = 0; n < 40; n++) read({ temperature: steady(n), humidity: 50 + steady(n) });
  assert.deepEqual(
    read({ temperature: 0, humidity: 0 }).map(({ values }) => values),
    [{ temperature: 0, humidity: 0 }],
  );
});

test('nothing is unusual before thirty readings are known', () => {
  const { read } = device();
  for (let n = 0; n < 29; n++) read({ temperature: steady(n) });
  assert.deepEqual(read({ temperature: 95 }), []);
});

test('a new normal is taken up after a while', () => {
  const { read } = device();
  for (let n = 0; n < 100; n++) read({ temperature: steady(n) });
  for (let n = 0; n < 100; n++) read({ temperature: 60 + steady(n) });
  assert.deepEqual(read({ temperature: 80 }, 3_600 * SECOND_MS), []);
});

test('a value that moved and then stands still is stuck at the twentieth reading', () => {
  const { read } = device();
  for (let n = 0; n < 100; n++) read({ pressure: steady(n) });
  const found = Array.from({ length: 25 }, () => read({ pressure: 20.25 }).map(({ rule }) => rule));
  assert.deepEqual(found.flat(), ['stuck']);
  assert.deepEqual(found[19], ['stuck']);
});

test('a value that never moved, or seldom does, is not stuck', () => {
  const { read } = device();
  for (let n = 0; n < 300; n++) assert.deepEqual(read({ online: 1, battery: 100 - Math.floor(n / 40) }), []);
});

test('a tamper alarm is found as true and as 1, and not as false or 0', () => {
  assert.deepEqual(
    device()
      .read({ tamper: true })
      .map(({ rule }) => rule),
    ['tamper'],
  );
  assert.deepEqual(
    device()
      .read({ tamper: 1 })
      .map(({ rule }) => rule),
    ['tamper'],
  );
  assert.deepEqual(device().read({ tamper: false }), []);
  assert.deepEqual(device().read({ tamper: 0 }), []);
});

test('a late reading is judged and not learnt from', () => {
  const { read, habits } = device();
  for (let n = 0; n < 40; n++) read({ temperature: steady(n) });
  const before = habits()?.metrics;
  assert.deepEqual(
    read({ temperature: -40 }, -1).map(({ rule }) => rule),
    ['outOfRange'],
  );
  assert.deepEqual(habits()?.metrics, before);
});

test('a metric may be called like something that every object has', () => {
  const { read, habits } = device();
  for (let n = 0; n < 40; n++) assert.deepEqual(read({ toString: steady(n), valueOf: 1 }), []);
  assert.deepEqual(Object.keys(habits()?.metrics ?? {}), ['toString', 'valueOf']);
});

test('only so many metrics of a device are remembered', () => {
  const { read, habits } = device();
  for (let n = 0; n < 200; n++) read({ [`metric-${n}`]: n });
  assert.equal(Object.keys(habits()?.metrics ?? {}).length, 64);
});
