import assert from 'node:assert/strict';
import { test } from 'node:test';
import { samples } from '@millrace/contracts';
import { createMetrics } from '@millrace/observability';
import { alertView } from '../../src/http/views.ts';
import { createFeed, type FeedEvent, feedSource } from '../../src/live/feed.ts';
import { logger, testApp } from '../fixtures.ts';
import { eventually, testKafka } from '../test-stack.ts';

const alert = (alert_id: string) => ({ ...samples.alert, alert_id });

test('alerts of both topics arrive over HTTP, and a stream goes on where it broke', async (t) => {
  const { kafka, topics, write } = await testKafka(t);
  await write(topics.fraudAlerts, alert('payment:before'));
  const sources = [feedSource(topics.fraudAlerts, alertView), feedSource(topics.telemetryAlerts, alertView)];
  const alerts = createFeed({ name: 'alerts', kafka, sources, logger, metrics: createMetrics('api') });
  t.after(() => alerts.close());
  const app = await testApp(t, { feeds: { alerts, decisions: alerts } });
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  const open = async (lastEventId?: string) => {
    const response = await fetch(`${address}/v1/stream/alerts`, {
      headers: lastEventId ? { 'last-event-id': lastEventId } : {},
    });
    assert.equal(response.status, 200);
    assert.ok(response.body);
    return response.body.pipeThrough(new TextDecoderStream()).getReader();
  };
  type Reader = Awaited<ReturnType<typeof open>>;
  const readEvents = async (reader: Reader, count: number) => {
    let text = '';
    for (;;) {
      const events = [...text.matchAll(/id: (\S+)\nevent: alert\ndata: (.*)\n\n/g)].map(([, id = '', data = '']) => ({
        id,
        ...JSON.parse(data),
      }));
      if (events.length >= count) return events;
      const { value, done } = await reader.read();
      assert.ok(!done, text);
      text += value;
    }
  };

  const first = await open();
  await write(topics.fraudAlerts, alert('payment:1'));
  await write(topics.telemetryAlerts, alert('device:2'));
  const seen = await readEvents(first, 2);
  assert.deepEqual(seen.map(({ alert_id }) => alert_id).sort(), ['device:2', 'payment:1']);
  assert.equal(seen[0]?.event_time, new Date(samples.alert.event_time).toISOString());
  await first.cancel();

  await write(topics.fraudAlerts, alert('payment:3'), alert('payment:4'));
  const again = await open(seen[1]?.id);
  assert.deepEqual(
    (await readEvents(again, 2)).map(({ alert_id }) => alert_id),
    ['payment:3', 'payment:4'],
  );
  await again.cancel();
});

test('records of a transaction that was aborted are not sent', async (t) => {
  const { kafka, topics, write } = await testKafka(t);
  const feed = createFeed({
    name: 'alerts',
    kafka,
    sources: [feedSource(topics.fraudAlerts, alertView)],
    logger,
    metrics: createMetrics('api'),
  });
  t.after(() => feed.close());
  const events: FeedEvent[] = [];
  await feed.subscribe({ event: (event) => void events.push(event), gap: () => {} }, undefined);

  const { name } = topics.fraudAlerts;
  const options = { transactionalId: `${name}-test`, transactionTimeoutMs: 10_000 };
  const zombie = await kafka.transactionalProducer(options);
  const records = [{ key: 'k', value: topics.fraudAlerts.encode(alert('payment:aborted')) }];
  // Offsets for a generation that does not exist make the broker refuse the commit after the records were written.
  const doomed = zombie.commitTransaction({
    batches: [{ topic: name, records }],
    groupId: `${name}-group`,
    offsets: [{ topic: `${name}-no-such-topic`, partition: 0, offset: 1 }],
  });
  await assert.rejects(doomed);
  const owner = await kafka.transactionalProducer(options);
  await Promise.all([zombie.close(), owner.close()]);
  await write(topics.fraudAlerts, alert('payment:committed'));
  await eventually(
    () => events.length,
    (count) => count > 0,
  );
  assert.deepEqual(
    events.map(({ data }) => JSON.parse(data).alert_id),
    ['payment:committed'],
  );
});
