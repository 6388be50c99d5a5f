import type { Topics } from '@millrace/contracts';
import { defineTopology, type Topology } from '@millrace/streams';
import { customerProcessor } from './customer-processor.ts';
import { type MerchantObserver, merchantProcessor } from './merchant-processor.ts';

export interface TopologyOptions {
  readonly applicationId: string;
  readonly observe: MerchantObserver;
}

/**
 * The fraud detector in two stages: what is known of the customer is found where the customer's payments are, what is
 * known of merchant, terminal and payee where theirs are. `payments.by-merchant` leads from the one to the other.
 */
export function createTopology(topics: Topics, { applicationId, observe }: TopologyOptions): Topology {
  return defineTopology({ applicationId, processors: [customerProcessor(topics), merchantProcessor(topics, observe)] });
}
