import type { AnyTopic, Topic } from '../topology.ts';
import type { Outlet, Push, StepContext } from './stage-plan.ts';
import type { Stage } from './stream-builder.ts';

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
    const branches = names.map((branch) =>
      plan.step<T>('case', [fork], { name: `${fork.name}.${branch}`, detail: branch }),
    );
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

  #then<U>(kind: string, name: string | undefined, operator: (next: Push<U>) => Push<T>): Stream<U> {
    const step = this.outlet.plan.step<U>(kind, [this.outlet], { name });
    this.outlet.feeds(() => operator(step.compile()));
    return new Stream(step);
  }
}

type ValueOf<S> = S extends Stream<infer T> ? T : never;
