import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { recognise } from '../../src/replay/columns.ts';
import { deviceIdOf, timesFor } from '../../src/replay/replay-telemetry.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 10, 24);

describe('a file of readings', () => {
  it('is known by its columns; the times are UTC', () => {
    const kind = recognise('f.csv', ['timestamp', 'value']);
    assert.deepEqual(kind.read(['2014-07-01 00:30:00', '8127']), { timeMs: Date.UTC(2014, 6, 1, 0, 30), value: 8_127 });
    assert.deepEqual(kind.read(['2014-07-01 00:30:00', '-21.0483826823']), {
      timeMs: Date.UTC(2014, 6, 1, 0, 30),
      value: -21.0483826823,
    });
    assert.deepEqual(kind.read(['yesterday', '1']), { problem: 'timestamp: is no time' });
    assert.deepEqual(kind.read(['2014-07-01 00:30:00', '']), { problem: 'value: is no number' });
  });

  it('is the readings of the device that its name says', () => {
    assert.equal(deviceIdOf('/data/ec2_cpu_utilization_24ae8d.csv'), 'ec2_cpu_utilization_24ae8d');
    assert.equal(deviceIdOf('nyc taxi (2014).csv.gz'), 'nyc-taxi--2014-');
  });

  it('ends now, with its own distances', () => {
    const span = { firstMs: Date.UTC(2014, 1, 1), lastMs: Date.UTC(2014, 1, 15) };
    const eventMs = timesFor(span, { speed: Number.POSITIVE_INFINITY, nowMs: NOW_MS });
    assert.equal(eventMs(span.lastMs), NOW_MS);
    assert.equal(eventMs(span.firstMs), NOW_MS - 14 * DAY_MS);
    assert.equal(eventMs(span.firstMs + 1_000) - eventMs(span.firstMs), 1_000);
  });

  it('of half a year is shortened to what MQTT takes', () => {
    const span = { firstMs: Date.UTC(2014, 0, 1), lastMs: Date.UTC(2014, 6, 1) };
    const eventMs = timesFor(span, { speed: Number.POSITIVE_INFINITY, nowMs: NOW_MS });
    assert.equal(eventMs(span.lastMs), NOW_MS);
    assert.equal(eventMs(span.firstMs), NOW_MS - 29 * DAY_MS);
  });

  it('in step with the clock is of the moment in which it is sent', () => {
    const span = { firstMs: 0, lastMs: 3_600_000 };
    const eventMs = timesFor(span, { speed: 60, nowMs: NOW_MS });
    assert.equal(eventMs(0), NOW_MS);
    assert.equal(eventMs(3_600_000), NOW_MS + 60_000);
  });
});
