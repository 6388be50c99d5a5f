import type { JoinKind } from '../joins/join-store.ts';
import type { AnyTopic, Topic } from '../topology.ts';
import { type JoinWindowOptions, joinWindow, type LateSides, type LeftOf, type RightOf } from './join-window.ts';
import { aggregateAll, type RunningOptions } from './running-aggregate.ts';
import type { Outlet, Push, StageContext, StepContext } from './stage-plan.ts';
import type { Stage } from './stream-builder.ts';
import {
  aggregateWindows,
  type Emission,
  type SessionOptions,
  type SessionUpdate,
  type Windowed,
  type WindowOptions,
} from './windowed-aggregate.ts';

/** A topic that a `T` can be written to. Functions, not methods: only so does TypeScript refuse a topic of less. */
export interface SinkTopic<in T> extends Pick<Topic<never>, 'name' | 'schema'> {
  readonly decode: (value: Uint8Array) => unknown;
  readonly encode: (value: T) => string;
  readonly key: (value: T) => string;
  readonly timestampMs: (value: T) => number;
  readonly eventId: (value: T) => string;
}

type Predicate<T> = (value: T, context: StepContext) => boolean;
type Guard<T, S extends T> = (value: T, context: StepContext) => value is S;
/** What passes a predicate: less than `T` if it is a type guard. */
// biome-ignore lint/suspicious/noExplicitAny: only `any` matches a guard of any parameter
type Passed<T, P> = P extends (value: any, context: StepContext) => value is infer S ? S : T;

/**
 * Records that come one after the other. Each operator adds a step to the stage and returns what leaves it; a stream may
 * be used any number of times. Functions are given the value and may look at the record that it came from; they must
 * depend on nothing else, since a record is processed again after a crash.
 *
 * Every step may be named, for `describe()` and diagrams.
 */
export class Stream<out T> {
  /** For the operators; there is nothing in it for a user. */
  readonly outlet: Outlet<T>;

  constructor(outlet: Outlet<T>) {
    this.outlet = outlet;
  }

  /** What the predicate holds for goes on. */
  filter<S extends T>(guard: Guard<T, S>, name?: string): Stream<S>;
  filter(predicate: Predicate<T>, name?: string): Stream<T>;
  filter(predicate: Predicate<T>, name?: string): Stream<T> {
    return this.#then('filter', name, (next) => (value, key, timestampMs, context) => {
      if (predicate(value, context)) next(value, key, timestampMs, context);
    });
  }

  /** What the predicate does not hold for goes on. */
  filterNot(predicate: Predicate<T>, name?: string): Stream<T> {
    return this.#then('filterNot', name, (next) => (value, key, timestampMs, context) => {
      if (!predicate(value, context)) next(value, key, timestampMs, context);
    });
  }

  /** Another value in the place of each. Key and event time stay. */
  map<U>(fn: (value: T, context: StepContext) => U, name?: string): Stream<U> {
    return this.#then('map', name, (next) => (value, key, timestampMs, context) => {
      next(fn(value, context), key, timestampMs, context);
    });
  }

  /** Any number of values in the place of each, in their order. */
  flatMap<U>(fn: (value: T, context: StepContext) => Iterable<U>, name?: string): Stream<U> {
    return this.#then('flatMap', name, (next) => (value, key, timestampMs, context) => {
      for (const each of fn(value, context)) next(each, key, timestampMs, context);
    });
  }

  /** For a look at what passes; it is called again for what is processed again. */
  peek(fn: (value: T, context: StepContext) => void, name?: string): Stream<T> {
    return this.#then('peek', name, (next) => (value, key, timestampMs, context) => {
      fn(value, context);
      next(value, key, timestampMs, context);
    });
  }

  /**
   * Another key. State of that key may be in another partition, so what follows must be stateless until `repartition`
   * has brought the records there; `to` and `repartition` write this key in the place of the topic's own.
   */
  selectKey(keyOf: (value: T, context: StepContext) => string, name?: string): Stream<T> {
    const { plan } = this.outlet;
    const step = plan.step<T>('selectKey', [this.outlet], { name, rekeyed: true });
    this.outlet.feeds(() => {
      const next = step.compile();
      return (value, _key, timestampMs, context) => next(value, keyOf(value, context), timestampMs, context);
    });
    return new Stream(step);
  }

  /** Each record goes to the first branch whose predicate holds for it, and to `rest` if there is none. */
  branch<P extends Readonly<Record<string, Predicate<T>>>>(
    predicates: P & { readonly rest?: never },
    name?: string,
  ): { readonly [K in keyof P]: Stream<Passed<T, P[K]>> } & { readonly rest: Stream<T> } {
    const { plan } = this.outlet;
    const fork = plan.step<T>('branch', [this.outlet], { name });
    const names = [...Object.keys(predicates), 'rest'];
    const branches = names.map((branch) => plan.sideStep<T>('case', fork, branch));
    this.outlet.feeds(() => {
      const holds = Object.values(predicates);
      const pushes = branches.map((branch) => branch.compile());
      const rest = pushes.length - 1;
      return (value, key, timestampMs, context) => {
        let taken = 0;
        while (taken < rest && holds[taken]?.(value, context) === false) taken += 1;
        pushes[taken]?.(value, key, timestampMs, context);
      };
    });
    const streams = branches.map((branch, index) => [names[index], new Stream(branch)]);
    return Object.fromEntries(streams) as ReturnType<typeof this.branch<P>>;
  }

  /** The records of several streams of one stage as one, in the order in which they come. */
  merge<O extends readonly Stream<unknown>[]>(...others: O): Stream<T | ValueOf<O[number]>> {
    const outlets = [this, ...others].map(({ outlet }) => outlet as Outlet<T | ValueOf<O[number]>>);
    const step = this.outlet.plan.step<T | ValueOf<O[number]>>('merge', outlets);
    for (const outlet of outlets) outlet.feeds(() => step.compile());
    return new Stream(step);
  }

  /**
   * Adds what a table of the stage, or a global table, has for the record; one for which there is nothing is dropped.
   * A table is asked as it is now, for the record's key: a later change of it changes no result. A global table is asked
   * as of the record's event time, for any key (`undefined`: none).
   */
  join<R, U>(table: Table<R>, fn: (value: T, row: R, context: StepContext) => U, name?: string): Stream<U>;
  join<R, U>(
    global: GlobalRef<R>,
    keyOf: (value: T) => string | undefined,
    fn: (value: T, row: R, context: StepContext) => U,
    name?: string,
  ): Stream<U>;
  join<U>(right: Table<unknown> | GlobalRef<unknown>, ...join: readonly unknown[]): Stream<U> {
    return this.#lookUp<U>('join', right, join);
  }

  /** As `join`; where there is nothing, the function is given `undefined` in its place. */
  leftJoin<R, U>(
    table: Table<R>,
    fn: (value: T, row: R | undefined, context: StepContext) => U,
    name?: string,
  ): Stream<U>;
  leftJoin<R, U>(
    global: GlobalRef<R>,
    keyOf: (value: T) => string | undefined,
    fn: (value: T, row: R | undefined, context: StepContext) => U,
    name?: string,
  ): Stream<U>;
  leftJoin<U>(right: Table<unknown> | GlobalRef<unknown>, ...join: readonly unknown[]): Stream<U> {
    return this.#lookUp<U>('leftJoin', right, join);
  }

  /**
   * Pairs the events of two streams of the stage that have the same key and lie close to each other in event time. A
   * pair goes on when the later of the two comes, with the event time of the later. An event without a partner goes on
   * alone (`left`, `outer`), with its own time, once stream time says that no partner can come that is not late. Late
   * events are counted and go to `late`. Which pairs there are does not depend on the order in which events came.
   */
  joinWindow<R, K extends JoinKind, U>(
    other: Stream<R>,
    options: JoinWindowOptions<T, R, K>,
    fn: (left: LeftOf<T, K>, right: RightOf<R, K>) => U,
  ): Joined<U, T, R> {
    const { joined, late } = joinWindow(this.outlet, other.outlet, options, fn);
    return new Joined(joined, late);
  }

  /**
   * What the events of a key come to, in each window. Events that came after their windows had closed are counted and go
   * to `late`. On close, the event time of a result is the last moment of its window. The name is the store's.
   */
  aggregate<R>(name: string, options: WindowOptions<T, R>): Aggregated<Windowed<R>, T>;
  aggregate<R>(name: string, options: SessionOptions<T, R, 'on-close'>): Aggregated<Windowed<R>, T>;
  aggregate<R>(name: string, options: SessionOptions<T, R, 'on-update'>): Aggregated<SessionUpdate<R>, T>;
  /** What all events of a key come to, as a table: each of them changes the row of its key. */
  aggregate<R>(name: string, options: RunningOptions<T, R>): Table<R>;
  aggregate<R>(
    name: string,
    options: WindowOptions<T, R> | SessionOptions<T, R, Emission> | RunningOptions<T, R>,
  ): Aggregated<Windowed<R>, T> | Table<R> {
    if ('windows' in options) {
      const { results, late } = aggregateWindows(this.outlet, name, options);
      return new Aggregated(results, late);
    }
    const { rows, rowOf } = aggregateAll(this.outlet, name, options);
    return new Table(rows, rowOf);
  }

  /** Writes each value to a topic, under the key, event time and id that the topic says, or the key of `selectKey`. */
  to(topic: SinkTopic<T>, name?: string): void {
    const { plan, rekeyed, feeds } = this.outlet;
    const output = plan.output(topic as AnyTopic);
    plan.step('sink', [this.outlet], { name, detail: topic.name });
    feeds(() =>
      rekeyed
        ? (value, key, _timestampMs, context) => context.emit(output, value, key === undefined ? {} : { key })
        : (value, _key, _timestampMs, context) => context.emit(output, value),
    );
  }

  /**
   * Brings the records to another stage through a topic, so that they are where the state of their key is. The topic
   * must have as many partitions as the other inputs of that stage.
   */
  repartition<R>(topic: Topic<R> & SinkTopic<T>, stage: Stage, name?: string): Stream<R> {
    this.to(topic, name);
    return stage.stream<R>(topic);
  }

  #lookUp<U>(
    kind: 'join' | 'leftJoin',
    right: Table<unknown> | GlobalRef<unknown>,
    join: readonly unknown[],
  ): Stream<U> {
    const { plan, feeds } = this.outlet;
    const [keyOf, fn, name] = (right instanceof Table ? [undefined, ...join] : join) as LookUp<T, U>;
    if (right instanceof Table) plan.checkKeyed(this.outlet, name ?? kind);
    const step =
      right instanceof Table
        ? plan.step<U>(kind, [this.outlet, right.outlet], { name })
        : plan.step<U>(kind, [this.outlet], { name, detail: right.topic });
    feeds(() => {
      const next = step.compile();
      return (value, key, timestampMs, context) => {
        const rowKey = keyOf === undefined ? (key ?? context.record.key) : keyOf(value);
        const row = rowKey === undefined ? undefined : right.rowOf(rowKey, timestampMs, context);
        if (row !== undefined || kind === 'leftJoin') next(fn(value, row, context), key, timestampMs, context);
      };
    });
    return new Stream(step);
  }

  #then<U>(kind: string, name: string | undefined, operator: (next: Push<U>) => Push<T>): Stream<U> {
    const step = this.outlet.plan.step<U>(kind, [this.outlet], { name });
    this.outlet.feeds(() => operator(step.compile()));
    return new Stream(step);
  }
}

/** Results of windows, and what came too late for them. */
export class Aggregated<out T, out L> extends Stream<T> {
  readonly late: Stream<L>;

  constructor(outlet: Outlet<T>, late: Outlet<L>) {
    super(outlet);
    this.late = new Stream(late);
  }
}

/** A windowed join, and what came too late for it. */
export class Joined<out T, out L, out R> extends Stream<T> {
  readonly late: { readonly left: Stream<L>; readonly right: Stream<R> };

  constructor(outlet: Outlet<T>, { left, right }: LateSides<L, R>) {
    super(outlet);
    this.late = { left: new Stream(left), right: new Stream(right) };
  }
}

/** A topic that every instance holds as a whole, for joins by any key. */
export interface GlobalRef<out R> {
  readonly topic: string;
  readonly rowOf: (key: string, atMs: number, context: StageContext) => R | undefined;
}

/**
 * One row per key. A table is also the stream of its changes: `undefined` stands for a row that has gone. A row that
 * expires (`ttlMs`) goes without a word.
 */
export class Table<out R> {
  /** For the operators; there is nothing in it for a user. */
  readonly outlet: Outlet<R | undefined>;
  readonly rowOf: (key: string, timestampMs: number, context: StageContext) => R | undefined;

  constructor(outlet: Outlet<R | undefined>, rowOf: Table<R>['rowOf']) {
    this.outlet = outlet;
    this.rowOf = rowOf;
  }

  /** Every row that is new or has changed; one that has gone is passed by. */
  toStream(name?: string): Stream<R> {
    const step = this.outlet.plan.step<R>('toStream', [this.outlet], { name });
    this.outlet.feeds(() => {
      const next = step.compile();
      return (row, key, timestampMs, context) => {
        if (row !== undefined) next(row, key, timestampMs, context);
      };
    });
    return new Stream(step);
  }

  /** Writes every change to a topic under the key of its row, a row that has gone as a tombstone. */
  to(topic: SinkTopic<R>, name?: string): void {
    const { plan, feeds } = this.outlet;
    const output = plan.output(topic as AnyTopic);
    plan.step('sink', [this.outlet], { name, detail: topic.name });
    feeds(() => (row, ownKey, _timestampMs, context) => {
      const key = ownKey ?? context.record.key;
      if (row === undefined) context.emitTombstone(output, key);
      else context.emit(output, row, { key });
    });
  }
}

/** The arguments of a join behind its right side; a table has the record's own key in the place of `keyOf`. */
type LookUp<T, U> = readonly [
  keyOf: ((value: T) => string | undefined) | undefined,
  fn: (value: T, row: unknown, context: StepContext) => U,
  name?: string,
];
type ValueOf<S> = S extends Stream<infer T> ? T : never;
