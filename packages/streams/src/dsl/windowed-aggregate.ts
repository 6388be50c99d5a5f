import { type OnSessionUpdate, sessionStore } from '../stores/session-store.ts';
import { windowStore } from '../stores/window-store.ts';
import type { Aggregation } from '../windows/aggregations.ts';
import type { SessionWindows, TimeWindows, Window } from '../windows/windows.ts';
import type { Outlet, StageContext } from './stage-plan.ts';

interface Options<V, R, E extends Emission> {
  readonly aggregation: Aggregation<V, R>;
  readonly emit: E;
  /** How far behind stream time an event may come and count, in milliseconds; the stage's unless given. */
  readonly graceMs?: number;
  /** Keys with an open window, per task. Reaching it is an error (`store-full`). */
  readonly keysMax: number;
}

/**
 * `on-update`: every event gives a result for each window that it is in. `on-close`: every window gives one, once stream
 * time has passed its end and grace; a window without events gives none.
 */
export type Emission = 'on-update' | 'on-close';

export interface WindowOptions<V, R> extends Options<V, R, Emission> {
  readonly windows: TimeWindows;
}

export interface SessionOptions<V, R, E extends Emission> extends Options<V, R, E> {
  readonly windows: SessionWindows;
  /** Open sessions of one key. Reaching it is an error (`store-full`). */
  readonly sessionsPerKeyMax: number;
}

/** What the events of a key in a window come to. */
export interface Windowed<R> {
  readonly key: string;
  readonly window: Window;
  readonly result: R;
}

export interface SessionUpdate<R> extends Windowed<R> {
  /** Sessions, as they were before the event, that this one now stands for. */
  readonly replaced: readonly Window[];
}

/** What `WindowStore` and `SessionStore` have in common. */
interface Store<V, R> {
  add(key: string, timestampMs: number, value: V, onUpdate?: OnSessionUpdate<R>): 'added' | 'late';
  close(streamTimeMs: number, onClosed: (key: string, window: Window, result: R) => void): void;
}

export function aggregateWindows<V, R>(
  from: Outlet<V>,
  name: string,
  options: WindowOptions<V, R> | SessionOptions<V, R, Emission>,
): { readonly results: Outlet<SessionUpdate<R> | Windowed<R>>; readonly late: Outlet<V> } {
  const { plan } = from;
  const { emit, graceMs = plan.options.graceMs } = options;
  const definition =
    'sessionsPerKeyMax' in options ? sessionStore({ ...options, graceMs }) : windowStore({ ...options, graceMs });
  const results = plan.stateful<SessionUpdate<R> | Windowed<R>>(`aggregate ${emit}`, [from], name, definition);
  const late = plan.sideStep<V>('late', results, 'late');
  const storeIn = (context: StageContext): Store<V, R> => context.stores[name] as unknown as Store<V, R>;
  from.feeds(() => {
    const next = results.compile();
    const nextLate = late.compile();
    return (value, ownKey, timestampMs, context) => {
      const key = ownKey ?? context.record.key;
      const store = storeIn(context);
      const added =
        emit === 'on-close'
          ? store.add(key, timestampMs, value)
          : store.add(key, timestampMs, value, (window, result, replaced) => {
              const update = replaced === undefined ? { key, window, result } : { key, window, result, replaced };
              next(update, key, timestampMs, context);
            });
      if (added === 'added') return;
      context.countLate('window-closed');
      nextLate(value, ownKey, timestampMs, context);
    };
  });
  if (emit === 'on-close') {
    plan.onStreamTime(() => {
      const next = results.compile();
      return (streamTimeMs, context) => {
        storeIn(context).close(streamTimeMs, (key, window, result) => {
          // The last moment of the window is the time of its result: windows of windows take it as one of their own.
          next({ key, window, result }, key, window.endMs - 1, context);
        });
      };
    });
  }
  return { results, late };
}
