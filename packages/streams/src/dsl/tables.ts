import { type KeyValueStore, keyValueStore } from '../stores/key-value-store.ts';
import type { Topic } from '../topology.ts';
import type { StageContext, StagePlan } from './stage-plan.ts';
import { type GlobalRef, Table } from './stream.ts';

export interface TableOptions {
  /** Rows per task. Reaching it is an error (`store-full`), not a silent loss. */
  readonly entriesMax: number;
  /** Stream time after its last record at which a row expires; without it rows stay. */
  readonly ttlMs?: number;
}

/** A topic as a table, kept in a store of that name. */
export function tableOf<T>(plan: StagePlan, name: string, topic: Topic<T>, options: TableOptions): Table<T> {
  const source = plan.source<T>(topic);
  const store = keyValueStore<T>({
    encode: (row) => topic.encode(row),
    decode: (bytes) => topic.decode(bytes),
    ...options,
  });
  const rows = plan.stateful<T | undefined>('table', [source], name, store);
  const storeIn = (context: StageContext) => context.stores[name] as KeyValueStore<T>;
  source.feeds(() => {
    const next = rows.compile();
    return (row, _key, timestampMs, context) => {
      const { key } = context.record;
      storeIn(context).put(key, row);
      next(row, key, timestampMs, context);
    };
  });
  plan.onTombstone(topic, () => {
    const next = rows.compile();
    return (key, timestampMs, context) => {
      if (storeIn(context).delete(key)) next(undefined, key, timestampMs, context);
    };
  });
  return new Table(rows, (key, _atMs, context) => storeIn(context).get(key));
}

export function globalOf<T>(plan: StagePlan, topic: Topic<T>): GlobalRef<T> {
  plan.global(topic);
  return {
    topic: topic.name,
    rowOf: (key, atMs, context) => context.globals[topic.name]?.get(key, atMs) as T | undefined,
  };
}

export type RowOf<S> = S extends Table<infer R> ? R : never;
export type Rows<S> = { readonly [K in keyof S]: RowOf<S[K]> | undefined };

/** Several tables as one, of which nothing is kept. */
export function joinTables<S extends Readonly<Record<string, Table<unknown>>>, R>(
  plan: StagePlan,
  name: string,
  tables: S,
  combine: (rows: Rows<S>) => R | undefined,
): Table<R> {
  const sources = Object.entries(tables);
  const outlets = sources.map(([, { outlet }]) => outlet);
  if (outlets.length === 0) throw plan.invalid(`joins no tables in ${name}`);
  const joined = plan.step<R | undefined>('joinTables', outlets, { name });
  const rowOf = (key: string, atMs: number, context: StageContext): R | undefined => {
    const rows = sources.map(([source, table]) => [source, table.rowOf(key, atMs, context)] as const);
    return rows.every(([, row]) => row === undefined) ? undefined : combine(Object.fromEntries(rows) as Rows<S>);
  };
  for (const outlet of outlets) {
    outlet.feeds(() => {
      const next = joined.compile();
      return (_row, ownKey, timestampMs, context) => {
        const key = ownKey ?? context.record.key;
        next(rowOf(key, timestampMs, context), key, timestampMs, context);
      };
    });
  }
  return new Table(joined, rowOf);
}
