import type { Metrics } from '@millrace/observability';
import { createSparkplugCounters } from './counters.ts';
import { EdgeNodes } from './edge-nodes.ts';
import { createSparkplugReader, type SparkplugReader } from './message.ts';
import { encodeRebirth } from './payload.ts';

/** Sends a command to an edge node; false when it cannot be sent now. */
export type SendCommand = (topic: string, payload: Buffer) => boolean;

/** Ingest's part as a Sparkplug host: it reads, and asks for births. It is no primary host, and publishes no STATE. */
export interface SparkplugHost {
  readonly read: SparkplugReader;
  /** Commands go this way from now on; before, and with the own listener, nodes cannot be asked for anything. */
  sendThrough(send: SendCommand): void;
}

export function createSparkplugHost(options: {
  readonly metrics: Metrics;
  readonly nowMs: () => number;
}): SparkplugHost {
  let send: SendCommand = () => false;
  const counters = createSparkplugCounters(options.metrics, () => ({ nodes: nodes.size, metrics: nodes.metrics }));
  const nodes = new EdgeNodes({
    counters,
    // tck-id-topics-ncmd-topic: spBv1.0/group_id/NCMD/edge_node_id
    requestRebirth: ({ group, node }) => send(`spBv1.0/${group}/NCMD/${node}`, encodeRebirth(options.nowMs())),
  });
  return {
    read: createSparkplugReader({ nodes, counters }),
    sendThrough: (through) => {
      send = through;
    },
  };
}
