import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestDriver, defineProcessor, defineTopology, StreamsError } from '../src/index.ts';
import { createMinuteTopology, type Minute } from './support/minute-topology.ts';

const IDLE_AFTER_MS = 5_000;
/** The wall clock need not agree with event time. */
const WALL_MS = 9_000_000;
const { topology, clicks, minutes } = createMinuteTopology('', { idleAfterMs: IDLE_AFTER_MS });
const click = (atMs: number) => ({ value: { id: `c${atMs}`, atMs } });

test('a task that gets nothing closes its windows by the time that passes on the wall clock', () => {
  const driver = createTestDriver(topology, { nowMs: WALL_MS });
  driver.pipe(clicks.name, click(50_000));
  driver.setNow(WALL_MS + IDLE_AFTER_MS - 1);
  driver.setNow(WALL_MS + 9_999);
  assert.deepEqual(driver.output(minutes.name), [], '50 s and 9.999 s are not a minute');
  driver.setNow(WALL_MS + 9_999 + IDLE_AFTER_MS);
  assert.deepEqual(driver.output<Minute>(minutes.name), [{ startMs: 0, count: 1 }]);
  driver.pipe(clicks.name, click(65_000));
  driver.setNow(WALL_MS + 100_000);
  assert.deepEqual(driver.output<Minute>(minutes.name), [{ startMs: 60_000, count: 1 }], 'once each');
});

test('what comes often enough keeps stream time with the records', () => {
  const driver = createTestDriver(topology, { nowMs: WALL_MS });
  for (let i = 0; i < 100; i++) {
    driver.setNow(WALL_MS + i * (IDLE_AFTER_MS - 1));
    driver.pipe(clicks.name, click(1_000 + i));
  }
  assert.deepEqual(driver.output(minutes.name), []);
});

test('a task that has never seen a record has no time that could move on', () => {
  const driver = createTestDriver(topology, { nowMs: WALL_MS });
  driver.setNow(WALL_MS * 2);
  driver.pipe(clicks.name, click(1_000));
  assert.deepEqual(driver.output(minutes.name), []);
});

test('an error while time moves on by itself is the programmer’s: it names the processor, and ends the application', () => {
  const broken = defineProcessor({
    name: 'broken',
    inputs: { click: clicks },
    outputs: {},
    graceMs: 0,
    idleAfterMs: IDLE_AFTER_MS,
    onError: 'dead-letter',
    process: { click: () => undefined },
    onStreamTime: (ms) => {
      if (ms > 1_000) throw new Error('no');
    },
  });
  const driver = createTestDriver(defineTopology({ applicationId: 'idle', processors: [broken] }));
  driver.pipe(clicks.name, click(1_000));
  assert.throws(
    () => driver.setNow(IDLE_AFTER_MS),
    (error) =>
      error instanceof StreamsError && error.code === 'processor-failed' && /broken .* 6000: no/.test(error.message),
  );
});
