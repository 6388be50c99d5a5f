import { StreamsError } from '../errors.ts';
import { defineTopology, type Topic, type Topology } from '../topology.ts';
import { type StageOptions, StagePlan } from './stage-plan.ts';
import { type GlobalRef, Stream, type Table } from './stream.ts';
import { globalOf, joinTables, type Rows, type TableOptions, tableOf } from './tables.ts';

/** Steps that run as one processor: one task per partition, one transaction, no topic in between. */
export interface Stage {
  /** The records of a topic. A record without a value (a tombstone) is passed by. */
  stream<T>(topic: Topic<T>): Stream<T>;
  /**
   * The newest record of each key of a topic, in the order in which they come; a tombstone removes the row. The name is
   * the store's.
   */
  table<T>(name: string, topic: Topic<T>, options: TableOptions): Table<T>;
  /** A topic that every instance holds as a whole, with the versions of each key by event time. */
  global<T>(topic: Topic<T>): GlobalRef<T>;
  /**
   * Several tables of the stage as one. A row is what `combine` makes of the rows that there are of its key; `undefined`
   * stands for one that is not there. It is made when one of them changes and when somebody asks; it has no store. With
   * the last of them it goes, and also when `combine` returns `undefined`.
   */
  joinTables<S extends Readonly<Record<string, Table<unknown>>>, R>(
    name: string,
    tables: S,
    combine: (rows: Rows<S>) => R | undefined,
  ): Table<R>;
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
      return {
        stream: (topic) => new Stream(plan.source(topic)),
        table: (...table) => tableOf(plan, ...table),
        global: (topic) => globalOf(plan, topic),
        joinTables: (...join) => joinTables(plan, ...join),
      };
    },
    build: () => {
      if (plans.length === 0) throw new StreamsError('invalid-topology', `application ${applicationId} has no stage`);
      return defineTopology({ applicationId, processors: plans.map((plan) => plan.build()) });
    },
  };
}
