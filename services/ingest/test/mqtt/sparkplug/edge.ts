import { createMetrics } from '@millrace/observability';
import { encodePayload } from 'sparkplug-payload/lib/sparkplugbpayload.js';
import { createSparkplugCounters } from '../../../src/mqtt/sparkplug/counters.ts';
import { type EdgeNodeLimits, EdgeNodes } from '../../../src/mqtt/sparkplug/edge-nodes.ts';
import { createSparkplugReader } from '../../../src/mqtt/sparkplug/message.ts';
import { parseSparkplugTemplate, readSparkplugTopic, SPARKPLUG_TEMPLATE } from '../../../src/mqtt/sparkplug/topic.ts';
import { NOW_MS } from '../../fixtures.ts';

export type Metrics = NonNullable<Parameters<typeof encodePayload>[0]['metrics']>;

/** As edge nodes write them; the codec wants fields that a data message leaves out. */
export const metric = (fields: object) => fields as Metrics[number];
export const encode = (payload: { metrics?: readonly object[]; seq?: number; timestamp?: number }) =>
  encodePayload({ timestamp: NOW_MS - 1_000, ...payload, metrics: (payload.metrics ?? []).map(metric) });

/** A reader with what it asks for and counts, and a clock to move. */
export function createReader(limits: Partial<EdgeNodeLimits> = {}) {
  const metrics = createMetrics('ingest');
  const asked: string[] = [];
  const clock = { nowMs: NOW_MS, canAsk: true };
  const counters = createSparkplugCounters(metrics, () => ({ nodes: nodes.size, metrics: nodes.metrics }));
  const nodes = new EdgeNodes({
    counters,
    limits,
    requestRebirth: ({ group, node }) => {
      if (clock.canAsk) asked.push(`${group}/${node}`);
      return clock.canAsk;
    },
  });
  const read = createSparkplugReader({ nodes, counters });
  const template = parseSparkplugTemplate(SPARKPLUG_TEMPLATE);

  /** `topic` without the namespace: `group/NDATA/node`. */
  function take(topic: string, payload: Parameters<typeof encode>[0] | Uint8Array, redelivered = false) {
    const address = template && readSparkplugTopic(template, `spBv1.0/${topic}`.split('/'));
    if (address === undefined) throw new Error(`${topic} is not of Sparkplug`);
    const bytes = payload instanceof Uint8Array ? payload : encode(payload);
    const options = { nowMs: clock.nowMs, maxAgeMs: 30 * 86_400_000, tokenizeCard: (digits: string) => digits };
    return read(address, bytes, { ...options, redelivered });
  }

  async function counted(name: string): Promise<Record<string, number>> {
    const metric = await metrics.registry.getSingleMetric(`millrace_ingest_sparkplug_${name}`)?.get();
    return Object.fromEntries(
      (metric?.values ?? []).map(({ labels, value }) => [String(labels.reason ?? labels.outcome ?? ''), value]),
    );
  }
  return { take, asked, clock, nodes, counted };
}

const T = NOW_MS - 1_000;
export const NBIRTH = {
  seq: 0,
  metrics: [
    { name: 'bdSeq', type: 'Int64', value: 3 },
    { name: 'Node Control/Rebirth', type: 'Boolean', value: false },
    { name: 'Load', alias: 1, type: 'Double', value: 0.5, timestamp: T },
    { name: 'Serial', alias: 2, type: 'String', value: 'A-17', timestamp: T },
  ],
};
export const DBIRTH = {
  seq: 1,
  metrics: [
    { name: 'Temp °C', alias: 10, type: 'Int16', value: 21, timestamp: T },
    { name: 'Running', alias: 11, type: 'Boolean', value: true, timestamp: T },
  ],
};
