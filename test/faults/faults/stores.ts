import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault.ts';

/** Kafka or ClickHouse ends, by SIGTERM or kill -9, stays away for a time, and comes back with its data. */
export function takeAway(store: 'kafka' | 'clickhouse', how: 'SIGTERM' | 'SIGKILL', awayMs: number): Fault {
  const ended = how === 'SIGKILL' ? 'killed' : 'stopped';
  return {
    kind: store === 'kafka' ? 'broker' : 'clickhouse',
    says: `${store} is ${ended}, and comes back after ${awayMs / 1_000} s`,
    async inflict({ platform }) {
      await platform.parts[store].away(how);
      try {
        await sleep(awayMs);
      } finally {
        await platform.parts[store].back();
      }
    },
  };
}
