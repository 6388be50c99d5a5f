import { Buffer } from 'node:buffer';
import { StreamsError } from '../errors.ts';
import { type KeyValueStore, keyValueStore } from '../stores/key-value-store.ts';
import type { Aggregation, NumericAggregation, ObjectAggregation } from '../windows/aggregations.ts';
import type { Outlet, StageContext } from './stage-plan.ts';

export interface RunningOptions<V, R> {
  readonly aggregation: Aggregation<V, R>;
  /** Per task. Reaching it is an error (`store-full`), not a silent loss. */
  readonly keysMax: number;
  /** Stream time after its last event at which a key is forgotten; it then begins anew. */
  readonly ttlMs?: number;
}

/** One accumulator per key, in a key-value store. */
export function aggregateAll<V, R>(
  from: Outlet<V>,
  name: string,
  { aggregation, keysMax, ttlMs }: RunningOptions<V, R>,
): { readonly rows: Outlet<R>; readonly rowOf: (key: string, atMs: number, context: StageContext) => R | undefined } {
  const { create, add, result, encode, decode } =
    aggregation.kind === 'numeric' ? inTableOfItsOwn(aggregation) : aggregation;
  const store = keyValueStore<unknown>({
    encode: (accumulator) => Buffer.from(encode(accumulator)),
    decode,
    entriesMax: keysMax,
    ...(ttlMs === undefined ? {} : { ttlMs }),
  });
  const rows = from.plan.stateful<R>('aggregate', [from], name, {
    ...store,
    kind: `${aggregation.name}, ${store.kind}`,
  });
  const storeIn = (context: StageContext) => context.stores[name] as KeyValueStore<unknown>;
  from.feeds(() => {
    const next = rows.compile();
    return (value, ownKey, timestampMs, context) => {
      const key = ownKey ?? context.record.key;
      const accumulators = storeIn(context);
      const accumulator = add(accumulators.get(key) ?? create(), value);
      accumulators.put(key, accumulator);
      next(result(accumulator), key, timestampMs, context);
    };
  });
  const rowOf = (key: string, _atMs: number, context: StageContext): R | undefined => {
    const accumulator = storeIn(context).get(key);
    return accumulator === undefined ? undefined : result(accumulator);
  };
  return { rows, rowOf };
}

type Steps<V, R> = Omit<ObjectAggregation<V, R>, 'kind' | 'name' | 'merge'>;

function inTableOfItsOwn<V, R>(aggregation: NumericAggregation<V, R>): Steps<V, R> {
  const bytes = aggregation.width * Float64Array.BYTES_PER_ELEMENT;
  return {
    create: () => {
      const table = new Float64Array(aggregation.width);
      aggregation.init(table, 0);
      return table;
    },
    add: (table, value) => {
      aggregation.add(table as Float64Array, 0, value);
      return table;
    },
    result: (table) => aggregation.result(table as Float64Array, 0),
    encode: (table) => new Uint8Array((table as Float64Array).buffer),
    decode: (encoded) => {
      if (encoded.length !== bytes)
        throw new StreamsError(
          'changelog-corrupt',
          `${encoded.length} bytes where ${aggregation.name} has ${bytes}: was the aggregation changed?`,
        );
      return new Float64Array(new Uint8Array(encoded).buffer); // a copy: the bytes may not lie at a multiple of 8
    },
  };
}
