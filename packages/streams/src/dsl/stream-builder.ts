import { StreamsError } from '../errors.ts';
import { defineTopology, type Topic, type Topology } from '../topology.ts';
import { type StageOptions, StagePlan } from './stage-plan.ts';
import { Stream } from './stream.ts';

/** Steps that run as one processor: one task per partition, one transaction, no topic in between. */
export interface Stage {
  /** The records of a topic. A record without a value (a tombstone) is passed by. */
  stream<T>(topic: Topic<T>): Stream<T>;
}

export interface StreamBuilder {
  /** A new stage. What it reads must be co-partitioned; `repartition` leads from one stage to the next. */
  stage(name: string, options: StageOptions): Stage;
  /** Checks the whole and makes a topology of it: one processor per stage, with `nodes` that say what its steps are. */
  build(): Topology;
}

/**
 * Builds a topology from operators in place of processors. Both may stand in one topology: what `build` returns is made
 * of processors like any other. `applicationId` as in {@link Topology}.
 *
 * Delivery: that of the processor that a stage becomes, exactly once.
 */
export function streamBuilder(applicationId: string): StreamBuilder {
  const plans: StagePlan[] = [];
  return {
    stage: (name, options) => {
      const plan = new StagePlan(name, options);
      plans.push(plan);
      return { stream: (topic) => new Stream(plan.source(topic)) };
    },
    build: () => {
      if (plans.length === 0) throw new StreamsError('invalid-topology', `application ${applicationId} has no stage`);
      return defineTopology({ applicationId, processors: plans.map((plan) => plan.build()) });
    },
  };
}
