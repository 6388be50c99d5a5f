import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, decided, eventually, load, metric, type Platform, pay, select } from '@millrace/test-platform';
import { connectDevice } from '../device.ts';
import { recordsIn } from '../kafka-access.ts';
import { payment } from '../payment.ts';

const HOUR_MS = 3_600_000;

export function deviceStories(platform: Platform): void {
  test('a reading that a device sends twice is stored once, as one row per metric', async (t) => {
    const device = await connectDevice(t, platform, 'fridge-1');
    const reading = {
      event_time: Date.now() - 1_000,
      sequence: 7,
      metrics: { temperature: 4.25, battery: 0.5, door_open: true },
      firmware: '1.2.3',
    };
    const later = { event_time: Date.now(), sequence: 8, metrics: { temperature: 4.5 } };
    for (const sent of [reading, reading, later]) await device.publish('devices/fridge-1/telemetry', sent);

    const known = await eventually(async () => {
      const answer = await ask(platform, '/v1/devices/fridge-1');
      // In the partition it comes after both, so once it is stored they have all been dealt with.
      assert.equal(answer.readings.at(0)?.sequence, 8);
      return answer;
    });
    const newest = known.metrics.map(({ metric, value }: { metric: string; value: number }) => [metric, value]).sort();
    assert.deepEqual(newest, [
      ['battery', 0.5],
      ['door_open', 1],
      ['temperature', 4.5],
    ]);
    const rows = await select(
      platform,
      `SELECT sequence, metric, value, firmware FROM millrace.telemetry WHERE device_id = 'fridge-1' ORDER BY sequence, metric`,
    );
    assert.deepEqual(rows, [
      { sequence: 7, metric: 'battery', value: 0.5, firmware: '1.2.3' },
      { sequence: 7, metric: 'door_open', value: 1, firmware: '1.2.3' },
      { sequence: 7, metric: 'temperature', value: 4.25, firmware: '1.2.3' },
      { sequence: 8, metric: 'temperature', value: 4.5, firmware: '' },
    ]);
  });

  test('a tamper alarm of a terminal counts against the payments made there afterwards', async (t) => {
    const at = { merchant_id: 'kiosk', terminal_id: 'terminal-1', channel: 'pos' };
    const terminal = {
      device_id: 'terminal-1',
      merchant_id: 'kiosk',
      kind: 'terminal',
      updated_at: Date.now() - HOUR_MS,
    };
    await load(platform, 'devices', [terminal]);
    const device = await connectDevice(t, platform, 'terminal-1');
    let sequence = 0;
    await eventually(async () => {
      const reading = { event_time: Date.now(), sequence: sequence++, metrics: { temperature: 20, tamper: false } };
      await device.publish('devices/terminal-1/telemetry', reading);
      assert.equal((await ask(platform, '/v1/devices/terminal-1')).owner_id, 'kiosk');
    });
    await pay(platform, payment('before-alarm', at));
    const before = (await decided(platform, 'before-alarm')).decision;
    assert.deepEqual([before.decision, rulesOf(before)], ['approve', []]);

    const alarm = { event_time: Date.now(), sequence: sequence++, metrics: { temperature: 20, tamper: true } };
    await device.publish('devices/terminal-1/telemetry', alarm);
    // The alert and what the terminal's payments are held against are written together.
    const [alert] = await eventually(async () => {
      const { items } = await ask(platform, '/v1/alerts?device_id=terminal-1');
      assert.equal(items.length, 1);
      return items;
    });
    assert.deepEqual([alert.kind, alert.merchant_id, rulesOf(alert)], ['device', 'kiosk', ['device-tamper']]);

    await pay(platform, payment('after-alarm', at));
    const after = (await decided(platform, 'after-alarm')).decision;
    assert.deepEqual([after.decision, rulesOf(after)], ['review', ['tampered-terminal']]);
    assert.ok(after.score > before.score, `${after.score} is not more than ${before.score}`);
  });

  test('a device that publishes for another one is cut off and counted, and what it sent is a dead letter only', async (t) => {
    const refused = () => metric(platform.admin('ingest'), 'millrace_ingest_mqtt_refused_total', { reason: 'topic' });
    const refusedBefore = await refused();
    const readingsBefore = await recordsIn(t, platform, 'telemetry.raw');
    const device = await connectDevice(t, platform, 'spy');
    const reading = { event_time: Date.now(), metrics: { temperature: 4 } };
    // Acknowledged, because it is kept: otherwise the device would send it again for ever.
    await device.publish('devices/fridge-1/telemetry', reading);
    await device.closed;
    assert.equal(await refused(), refusedBefore + 1);
    assert.equal(await recordsIn(t, platform, 'telemetry.raw'), readingsBefore);
    await eventually(async () => {
      const letters = await select(
        platform,
        `SELECT stage, reason, base64Decode(value_base64) AS value FROM millrace.dead_letters WHERE origin.device_id = 'spy'`,
      );
      assert.deepEqual(letters, [{ stage: 'ingest', reason: 'foreign-topic', value: JSON.stringify(reading) }]);
    });
  });

  test('a payload that is no reading is acknowledged, counted, and kept among the dead letters only', async (t) => {
    const labels = { kind: 'telemetry', protocol: 'mqtt', reason: 'malformed-json' };
    const refused = () => metric(platform.admin('ingest'), 'millrace_ingest_events_rejected_total', labels);
    const refusedBefore = await refused();
    const readingsBefore = await recordsIn(t, platform, 'telemetry.raw');
    const device = await connectDevice(t, platform, 'broken-1');
    await device.publish('devices/broken-1/telemetry', '{"metrics": {"temperature": ');
    assert.equal(await refused(), refusedBefore + 1);
    assert.equal(await recordsIn(t, platform, 'telemetry.raw'), readingsBefore);
    await eventually(async () => {
      const letters = await select(
        platform,
        `SELECT stage, reason, base64Decode(value_base64) AS value FROM millrace.dead_letters WHERE origin.device_id = 'broken-1'`,
      );
      assert.deepEqual(letters, [{ stage: 'ingest', reason: 'malformed-json', value: '{"metrics": {"temperature": ' }]);
    });
  });
}

function rulesOf({ rules }: { rules: { id: string }[] }): string[] {
  return rules.map(({ id }) => id);
}
