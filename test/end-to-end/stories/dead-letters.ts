import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, eventually, type Platform, post, select } from '@millrace/test-platform';
import { connectDevice } from '../device.ts';
import { kafkaOf, recordsIn } from '../kafka-access.ts';

const FUTURE_MAX_MS = 5 * 60_000;
/** Long enough to be refused for it, and soon over. */
const AHEAD_MS = 2_000;

export function deadLetterStories(platform: Platform): void {
  const redrive = async (body: object) => {
    const answer = await post(`${platform.api}/v1/dead-letters/redrive`, body);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body as { counts: Record<string, number>; results: { id: string; status: string }[] };
  };
  const letterOf = async (query: string) => {
    const { items } = await ask(platform, `/v1/dead-letters?${query}`);
    assert.equal(items.length, 1, query);
    return items[0];
  };

  test('a reading that was ahead of its time is redriven when it is not any more, once', async (t) => {
    const device = await connectDevice(t, platform, 'ahead-1');
    const event_time = Date.now() + FUTURE_MAX_MS + AHEAD_MS;
    await device.publish('devices/ahead-1/telemetry', { event_time, sequence: 3, metrics: { temperature: 4 } });
    const letter = await eventually(() => letterOf('device_id=ahead-1'));
    assert.deepEqual([letter.stage, letter.reason, letter.redriven_at], ['ingest', 'invalid-event', null]);
    assert.equal(JSON.parse(letter.value_text).event_time, event_time);

    const filter = { device_id: 'ahead-1' };
    await eventually(async () => {
      // Two who ask for the same at the same time.
      const answers = await Promise.all([redrive({ filter }), redrive({ filter })]);
      assert.equal(
        answers.reduce((sum, { counts }) => sum + (counts.redriven ?? 0), 0),
        1,
      );
    });
    const readings = await eventually(async () => {
      const { readings } = await ask(platform, '/v1/devices/ahead-1');
      assert.equal(readings.length, 1);
      return readings;
    });
    assert.equal(readings[0].sequence, 3);

    const again = await redrive({ filter: { id: letter.id } });
    assert.deepEqual(
      again.results.map(({ status }) => status),
      ['already-redriven'],
    );
    const redriven = await eventually(async () => {
      const now = await ask(platform, `/v1/dead-letters/${letter.id}`);
      assert.notEqual(now.redriven_at, null);
      return now;
    });
    assert.deepEqual(redriven.redrives[0].event_ids, [`ahead-1:${event_time}:3`]);
    assert.deepEqual((await redrive({ filter })).results, [], 'and it is not among those that wait');
    const rows = await select(platform, `SELECT count() AS rows FROM millrace.telemetry WHERE device_id = 'ahead-1'`);
    assert.deepEqual(rows, [{ rows: 1 }]);
  });

  test('a record that two stages refuse is one letter, and stays one when it is refused again', async (t) => {
    const topic = 'payments.enriched';
    const producer = await kafkaOf(t, platform).producer();
    t.after(() => producer.close());
    await producer.send([{ topic, records: [{ key: 'refused-twice', value: '{"transaction_id": ' }] }]);
    const letter = await eventually(async () => {
      const found = await letterOf('device_id=refused-twice');
      assert.equal(found.failures.length, 2);
      return found;
    });
    assert.deepEqual(letter.failures.map(({ stage }: { stage: string }) => stage).sort(), ['customer', 'sink']);
    const before = await recordsIn(t, platform, topic);
    for (const dry_run of [true, false]) {
      const { results } = await redrive({ filter: { id: letter.id }, dry_run });
      assert.deepEqual(
        results.map(({ id, status }) => [id, status]),
        [[letter.id, 'refused-again']],
      );
    }
    assert.equal(await recordsIn(t, platform, topic), before);
  });
}
