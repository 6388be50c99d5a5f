import type { Topics } from '@millrace/contracts';
import { defineTopology, type Topology } from '@millrace/streams';
import { paymentProcessor } from './payment-processor.ts';
import { telemetryProcessor } from './telemetry-processor.ts';

export interface TopologyOptions {
  readonly applicationId: string;
  /** Called for each event that is dropped as seen before; may be called again for the same one after a crash. */
  onDuplicate(kind: 'payment' | 'telemetry', conflict: boolean): void;
}

/** The enricher: one processor for what is keyed by customer, one for what is keyed by device. */
export function createTopology(topics: Topics, options: TopologyOptions): Topology {
  return defineTopology({
    applicationId: options.applicationId,
    processors: [
      paymentProcessor(topics, (conflict) => options.onDuplicate('payment', conflict)),
      telemetryProcessor(topics, (conflict) => options.onDuplicate('telemetry', conflict)),
    ],
  });
}
