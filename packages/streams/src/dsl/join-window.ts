import { type Codec, type JoinKind, type JoinStore, joinStore, type Of, type SideName } from '../joins/join-store.ts';
import { jsonCodec } from './json-codec.ts';
import type { Outlet, StageContext, Step } from './stage-plan.ts';

export interface JoinWindowOptions<L, R, K extends JoinKind> {
  /** Name of the store, and so of its changelog. */
  readonly name: string;
  /** `inner`: pairs only. `left`: also what has no partner of the left side; `outer`: of either side. */
  readonly kind: K;
  /** A right event is a partner of a left one from so long before it, in milliseconds of event time, ... */
  readonly beforeMs: number;
  /** ... until so long after it, both inclusive. */
  readonly afterMs: number;
  /** How far behind stream time an event may come; the stage's unless given. */
  readonly graceMs?: number;
  /** Of each side. Reaching it is an error (`store-full`), not a silent loss. */
  readonly eventsPerKeyMax: number;
  /** Per task; likewise. */
  readonly keysMax: number;
  /** How values are kept; as JSON unless given. */
  readonly left?: Codec<L>;
  readonly right?: Codec<R>;
}

/** What the two sides of a result may be. */
export type LeftOf<L, K extends JoinKind> = K extends 'outer' ? L | undefined : L;
export type RightOf<R, K extends JoinKind> = K extends 'inner' ? R : R | undefined;

/** What came too late, by side. */
export interface LateSides<L, R> {
  readonly left: Outlet<L>;
  readonly right: Outlet<R>;
}

export function joinWindow<L, R, K extends JoinKind, U>(
  left: Outlet<L>,
  right: Outlet<R>,
  { name, ...options }: JoinWindowOptions<L, R, K>,
  fn: (left: LeftOf<L, K>, right: RightOf<R, K>) => U,
): { readonly joined: Outlet<U>; readonly late: LateSides<L, R> } {
  const { plan } = left;
  const definition = joinStore<L, R>({
    graceMs: plan.options.graceMs,
    left: jsonCodec<L>(),
    right: jsonCodec<R>(),
    ...options,
  });
  const step = plan.stateful<U>(`${options.kind} join`, [left, right], name, definition);
  const late = {
    left: plan.sideStep<L>('late', step, 'late-left'),
    right: plan.sideStep<R>('late', step, 'late-right'),
  };
  const storeIn = (context: StageContext) => context.stores[name] as JoinStore<L, R>;
  // The store leaves out no side that the kind of the join does not let be missing.
  const join = fn as (left: L | undefined, right: R | undefined) => U;
  const feed = <S extends SideName>(side: S, from: Outlet<Of<S, L, R>>, late: Step<Of<S, L, R>>): void =>
    from.feeds(() => {
      const next = step.compile();
      const nextLate = late.compile();
      return (value, ownKey, timestampMs, context) => {
        const key = ownKey ?? context.record.key;
        const inTime = storeIn(context).add(side, key, timestampMs, value, (l, r, atMs) =>
          next(join(l, r), key, atMs, context),
        );
        if (inTime) return;
        context.countLate('join-closed');
        nextLate(value, ownKey, timestampMs, context);
      };
    });
  feed('left', left, late.left);
  feed('right', right, late.right);
  plan.onStreamTime(() => {
    const next = step.compile();
    return (_, context) => {
      storeIn(context).close((key, atMs, l, r) => next(join(l, r), key, atMs, context));
    };
  });
  return { joined: step, late };
}
