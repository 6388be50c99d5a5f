import { StreamsError } from '../errors.ts';
import {
  type AnyProcessor,
  type AnyTopic,
  type Context,
  defineProcessor,
  type Processor,
  type StoreDefinition,
  type StoreDefinitions,
  type Topics,
  type TopologyNode,
} from '../topology.ts';

/** The processor's context with the types of its topics and stores given up: the steps know their own. */
export type StageContext = Context<Topics, StoreDefinitions, Topics>;

/** What the functions of a step may see beside their value. */
export type StepContext = Pick<StageContext, 'record' | 'streamTimeMs' | 'nowMs' | 'deadLetter'>;

/**
 * Hands a value on. It goes along with its key (`undefined`: the key of the record being processed, which is read only
 * when somebody asks for it) and its event time, as arguments and not as an object: this is done for every record and step.
 */
export type Push<T> = (value: T, key: string | undefined, timestampMs: number, context: StageContext) => void;

/** Where values leave a step. */
export interface Outlet<out T> {
  readonly plan: StagePlan;
  readonly name: string;
  /** The key has been changed since the record was read: what belongs to it may be in another partition. */
  readonly rekeyed: boolean;
  /** `compile` makes the push of what follows, once, when all steps are known. */
  readonly feeds: (compile: () => Push<T>) => void;
}

/** A place in a stage that values pass: what came before hands them to whatever follows. */
export class Step<T> implements Outlet<T> {
  readonly plan: StagePlan;
  readonly name: string;
  readonly rekeyed: boolean;
  readonly #next: (() => Push<T>)[] = [];
  #push: Push<T> | undefined;

  constructor(plan: StagePlan, name: string, rekeyed: boolean) {
    this.plan = plan;
    this.name = name;
    this.rekeyed = rekeyed;
  }

  readonly feeds = (compile: () => Push<T>): void => {
    this.plan.checkOpen();
    this.#next.push(compile);
  };

  /** The one function that runs everything after this place. It keeps nothing: all tasks share it. */
  compile(): Push<T> {
    this.#push ??= fan(this.#next.map((compile) => compile()));
    return this.#push;
  }
}

function fan<T>(pushes: readonly Push<T>[]): Push<T> {
  const [only] = pushes;
  if (pushes.length === 1 && only !== undefined) return only;
  return (value, key, timestampMs, context) => {
    for (const push of pushes) push(value, key, timestampMs, context);
  };
}

type OnTombstone = (key: string, timestampMs: number, context: StageContext) => void;
type OnStreamTime = (streamTimeMs: number, context: StageContext) => void;

export interface StageOptions extends Pick<Processor, 'graceMs' | 'onError'> {
  /** See {@link Processor.idleAfterMs}. */
  readonly idleAfterMs?: number;
}

/** Collects the steps of a stage, and makes one processor of them. */
export class StagePlan {
  readonly name: string;
  readonly options: StageOptions;
  readonly #nodes: TopologyNode[] = [];
  readonly #inputs = new Map<string, { readonly topic: AnyTopic; readonly step: Step<unknown> }>();
  readonly #globals = new Map<string, AnyTopic>();
  readonly #outputs = new Map<string, AnyTopic>();
  readonly #stores = new Map<string, StoreDefinition>();
  /** Names of nodes that are shown only when another one takes from them. */
  readonly #sides = new Set<string>();
  readonly #tombstones = new Map<string, (() => OnTombstone)[]>();
  readonly #onStreamTime: (() => OnStreamTime)[] = [];
  #open = true;

  constructor(name: string, options: StageOptions) {
    this.name = name;
    this.options = options;
  }

  checkOpen(): void {
    if (!this.#open) throw this.invalid('is built: no step can be added');
  }

  invalid(what: string): StreamsError {
    return new StreamsError('invalid-topology', `stage ${this.name} ${what}`);
  }

  /** Adds a step. One without a name is called by its kind, and a number from the second on. */
  step<T>(kind: string, from: readonly Outlet<unknown>[], options: AddOptions = {}): Step<T> {
    this.checkOpen();
    const foreign = from.find(({ plan }) => plan !== this);
    if (foreign !== undefined)
      throw this.invalid(
        `takes a step of stage ${foreign.plan.name} (${foreign.name}): use repartition to bring it here`,
      );
    const taken = (name: string) => this.#nodes.some((node) => node.name === name);
    let name = options.name ?? kind;
    for (let n = 2; options.name === undefined && taken(name); n++) name = `${kind}-${n}`;
    if (taken(name)) throw this.invalid(`has two steps named ${name}`);
    const { detail, rekeyed = from.some((outlet) => outlet.rekeyed) } = options;
    this.#nodes.push({
      name,
      kind,
      from: from.map((outlet) => outlet.name),
      ...(detail === undefined ? {} : { detail }),
    });
    return new Step<T>(this, name, rekeyed);
  }

  /** The records of a topic; the same step whenever the same topic is asked for. */
  source<T>(topic: AnyTopic): Step<T> {
    const known = this.#inputs.get(topic.name);
    if (known !== undefined) {
      this.#checkSame(known.topic, topic);
      return known.step as Step<T>;
    }
    const step = this.step<T>('source', [], { detail: topic.name });
    this.#inputs.set(topic.name, { topic, step: step as Step<unknown> });
    return step;
  }

  global(topic: AnyTopic): void {
    this.#checkSame(this.#globals.get(topic.name) ?? topic, topic);
    this.#globals.set(topic.name, topic);
  }

  /** Returns the name under which the context emits to it. */
  output(topic: AnyTopic): string {
    this.#checkSame(this.#outputs.get(topic.name) ?? topic, topic);
    this.#outputs.set(topic.name, topic);
    return topic.name;
  }

  /**
   * Adds a step with a store. Its name is the store's and, in part, the changelog's: changing it means starting over.
   * State is where the records of its key are, so the key must be the one that the topic was partitioned by.
   */
  stateful<T>(kind: string, from: readonly Outlet<unknown>[], name: string, store: StoreDefinition): Step<T> {
    for (const outlet of from) this.checkKeyed(outlet, name);
    const step = this.step<T>(kind, from, { name, detail: name });
    this.#stores.set(name, store);
    return step;
  }

  /** Refuses records whose state may be in another partition. */
  checkKeyed({ rekeyed, name }: Outlet<unknown>, by: string): void {
    if (rekeyed) throw this.invalid(`gives ${by} records under a new key (${name}): repartition them first`);
  }

  /** A way out of a step beside its main one; it is no node of its own unless somebody takes from it. */
  sideStep<T>(kind: string, from: Outlet<unknown>, side: string): Step<T> {
    const step = this.step<T>(kind, [from], { name: `${from.name}.${side}` });
    this.#sides.add(step.name);
    return step;
  }

  onTombstone(topic: AnyTopic, compile: () => OnTombstone): void {
    const compiles = this.#tombstones.get(topic.name);
    if (compiles === undefined) this.#tombstones.set(topic.name, [compile]);
    else compiles.push(compile);
  }

  onStreamTime(compile: () => OnStreamTime): void {
    this.#onStreamTime.push(compile);
  }

  build(): AnyProcessor {
    this.#open = false;
    const process = Object.fromEntries(
      Array.from(this.#inputs, ([name, { step }]) => {
        const push = step.compile();
        return [
          name,
          (value: unknown, context: StageContext) => push(value, undefined, context.record.timestampMs, context),
        ];
      }),
    );
    const tombstones = new Map(
      Array.from(this.#tombstones, ([name, compiles]) => [name, compiles.map((compile) => compile())]),
    );
    const onStreamTime = this.#onStreamTime.map((compile) => compile());
    return defineProcessor<Topics, Topics, Topics, StoreDefinitions>({
      name: this.name,
      ...this.options,
      inputs: Object.fromEntries(Array.from(this.#inputs, ([name, { topic }]) => [name, topic])),
      globals: Object.fromEntries(this.#globals),
      stores: Object.fromEntries(this.#stores),
      outputs: Object.fromEntries(this.#outputs),
      nodes: this.#nodes.filter(
        ({ name }) => !this.#sides.has(name) || this.#nodes.some(({ from }) => from.includes(name)),
      ),
      process,
      ...(tombstones.size > 0 && {
        onTombstone: (input, key, context) => {
          for (const forget of tombstones.get(input) ?? []) forget(key, context.record.timestampMs, context);
        },
      }),
      ...(onStreamTime.length > 0 && {
        onStreamTime: (streamTimeMs, context) => {
          for (const close of onStreamTime) close(streamTimeMs, context);
        },
      }),
    });
  }

  #checkSame(known: AnyTopic, topic: AnyTopic): void {
    if (known !== topic) throw this.invalid(`is given two topics of the name ${topic.name}`);
  }
}

interface AddOptions {
  readonly name?: string | undefined;
  readonly detail?: string;
  readonly rekeyed?: boolean;
}
