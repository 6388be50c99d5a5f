import { setTimeout as sleep } from 'node:timers/promises';
import { toKafkaError } from './errors.ts';
import type { Broker, Cluster } from './kafkajs-internals.ts';
import { tryToReconnect } from './reconnect.ts';

const COORDINATOR_TYPES = { group: 0, transaction: 1 } as const;
const RETRY_WAIT_MS_MIN = 2;
const RETRY_WAIT_MS_MAX = 500;
/** The coordinator is busy with this very id, or still loading: it stays the coordinator. */
const WAIT_TYPES: ReadonlySet<string> = new Set([
  'CONCURRENT_TRANSACTIONS',
  'GROUP_LOAD_IN_PROGRESS',
  'COORDINATOR_LOAD_IN_PROGRESS',
]);
/** It is another broker by now. */
const MOVED_TYPES: ReadonlySet<string> = new Set([
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'UNKNOWN_TOPIC_OR_PARTITION',
]);

/**
 * Sends requests to the broker that coordinates a group or a transactional id, and remembers which one that is.
 * All requests that go this way may be repeated: each sets a state that is named in it.
 */
export class Coordinators {
  readonly #cluster: Cluster;
  readonly #known = new Map<string, Broker>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  async send<T>(
    kind: keyof typeof COORDINATOR_TYPES,
    id: string,
    deadlineMs: number,
    request: (broker: Broker) => Promise<T>,
  ): Promise<T> {
    const key = `${kind}/${id}`;
    for (let waitMs = RETRY_WAIT_MS_MIN; ; waitMs = Math.min(waitMs * 1.5, RETRY_WAIT_MS_MAX)) {
      try {
        const broker =
          this.#known.get(key) ??
          (await this.#cluster.findGroupCoordinator({ groupId: id, coordinatorType: COORDINATOR_TYPES[kind] }));
        this.#known.set(key, broker);
        return await request(broker);
      } catch (error) {
        const type = (error as { type?: string }).type ?? '';
        const failure = toKafkaError(error, `ask the coordinator of ${id}`);
        const waits = WAIT_TYPES.has(type);
        if (!waits && !MOVED_TYPES.has(type) && failure.code !== 'unavailable') throw failure;
        if (Date.now() + waitMs > deadlineMs) throw failure;
        await sleep(waitMs);
        if (waits) continue;
        this.#known.delete(key);
        await tryToReconnect(this.#cluster, error);
      }
    }
  }
}
