import type { GroupMember } from '@millrace/kafka';
import type { StateStore } from '../stores/store.ts';

const KEYS_LIMIT_DEFAULT = 100;
const KEYS_LIMIT_MAX = 10_000;

/** A task as it stands in this instance. */
export interface TaskState {
  readonly processor: string;
  readonly partition: number;
  /** `starting`: its stores are being restored. `standby`: another instance processes; this one follows its changelogs. */
  readonly state: 'starting' | 'running' | 'standby' | 'closed';
  readonly streamTimeMs: number;
  readonly stores: Readonly<Record<string, StateStore>>;
}

export interface StateAnswer {
  readonly status: number;
  /** JSON; problem details (RFC 9457) where `status` is an error. */
  readonly body: object;
}

export interface StateSource {
  readonly applicationId: string;
  tasks(): TaskState[];
  /** Asked for only to say where else a key may be. */
  members(): Promise<GroupMember[]>;
}

/**
 * Lets a person look into stores over HTTP: `/state` (tasks, stores, sizes), `/state/{processor}/{store}?limit=` (keys)
 * and `/state/{processor}/{store}/{key}`. What it shows is memory as it is now, with changes that are not committed yet;
 * an instance has the keys of its own partitions only. Stores hold personal data: who may ask is the caller's business.
 */
export async function answerState(source: StateSource, url: URL): Promise<StateAnswer> {
  const [, , processor, store, ...rest] = url.pathname.split('/').map(decode);
  if (processor === undefined) return overview(source);
  const holders = source.tasks().flatMap((task) => {
    const found = task.processor === processor ? task.stores[store ?? ''] : undefined;
    return found === undefined ? [] : [{ partition: task.partition, state: task.state, store: found }];
  });
  if (store === undefined || holders.length === 0) return unknownStore(source, processor, store);
  const key = rest.join('/');
  return key === '' ? listKeys(url, processor, store, holders) : readKey(source, processor, store, key, holders);
}

interface Holder {
  readonly partition: number;
  readonly state: TaskState['state'];
  readonly store: StateStore;
}

function overview({ applicationId, tasks }: StateSource): StateAnswer {
  const list = tasks().map(({ processor, partition, state, streamTimeMs, stores }) => ({
    processor,
    partition,
    state,
    stream_time_ms: Number.isFinite(streamTimeMs) ? streamTimeMs : null,
    stores: Object.fromEntries(Object.entries(stores).map(([name, { size }]) => [name, { keys: size }])),
  }));
  return { status: 200, body: { application: applicationId, tasks: list } };
}

function listKeys(url: URL, processor: string, store: string, holders: readonly Holder[]): StateAnswer {
  const limit = Number(url.searchParams.get('limit') ?? KEYS_LIMIT_DEFAULT);
  if (!Number.isInteger(limit) || limit < 1 || limit > KEYS_LIMIT_MAX)
    return problem(400, 'Bad limit', `limit: a whole number from 1 to ${KEYS_LIMIT_MAX}`);
  const partitions = holders.map((holder) => ({
    partition: holder.partition,
    state: holder.state,
    size: holder.store.size,
    keys: holder.store.keys?.(limit) ?? null, // null: this store cannot list them
  }));
  return { status: 200, body: { processor, store, partitions } };
}

async function readKey(
  source: StateSource,
  processor: string,
  store: string,
  key: string,
  holders: readonly Holder[],
): Promise<StateAnswer> {
  for (const holder of holders) {
    const value = holder.store.inspect?.(key);
    if (value === undefined) continue;
    return { status: 200, body: { processor, store, key, partition: holder.partition, state: holder.state, value } };
  }
  const here = holders.map(({ partition }) => partition).join(', ');
  return problem(
    404,
    'No such key here',
    `${processor}.${store} has no ${JSON.stringify(key)} in the partitions of this instance (${here}). ${await elsewhere(source)}`,
  );
}

async function unknownStore(source: StateSource, processor: string, store: string | undefined): Promise<StateAnswer> {
  const known = source.tasks().flatMap((task) => Object.keys(task.stores).map((name) => `${task.processor}/${name}`));
  const names = [...new Set(known)].sort().join(', ') || 'none';
  return problem(
    404,
    'No such store here',
    `${processor}/${store ?? ''} is no store of a task in this instance; there are: ${names}. ${await elsewhere(source)}`,
  );
}

/** A store's keys need not be those of the topic, so nobody can say in which partition a key would be. */
async function elsewhere(source: StateSource): Promise<string> {
  const members = (await source.members()).map(
    ({ clientId, host, partitions }) =>
      `${clientId} at ${host} with ${partitions.map(({ topic, partition }) => `${topic}-${partition}`).join(', ') || 'nothing'}`,
  );
  return `Members of ${source.applicationId}: ${members.join('; ') || 'none'}.`;
}

const problem = (status: number, title: string, detail: string): StateAnswer => ({
  status,
  body: { type: 'about:blank', title, status, detail },
});

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray percent sign: then the key is what was written
  }
}
