import { defineProcessor, defineTopology, keyValueStore, type Topic } from '../../src/index.ts';

export interface Click {
  readonly id: string;
  readonly atMs: number;
}
/** How many clicks a minute had, said once when the minute is over. */
export interface Minute {
  readonly startMs: number;
  readonly count: number;
}

const MINUTE_MS = 60_000;

/** Counts per minute and says each count when the minute has closed: the smallest topology to which idle time matters. */
export function createMinuteTopology(prefix: string, { idleAfterMs }: { readonly idleAfterMs: number }) {
  const clicks: Topic<Click> = {
    name: `${prefix}clicks`,
    schema: 'click.v1',
    ...json<Click>(),
    key: ({ id }) => id,
    timestampMs: ({ atMs }) => atMs,
    eventId: ({ id }) => id,
  };
  const minutes: Topic<Minute> = {
    name: `${prefix}minutes`,
    schema: 'minute.v1',
    ...json<Minute>(),
    key: ({ startMs }) => String(startMs),
    timestampMs: ({ startMs }) => startMs,
    eventId: ({ startMs }) => String(startMs),
  };
  const count = defineProcessor({
    name: 'minute',
    inputs: { click: clicks },
    stores: {
      open: keyValueStore<number>({
        encode: String,
        decode: (bytes) => Number(bytes.toString('utf8')),
        entriesMax: 100,
      }),
    },
    outputs: { minutes },
    graceMs: 0,
    idleAfterMs,
    onError: 'dead-letter',
    process: {
      click: ({ atMs }, { stores }) => {
        const start = String(Math.floor(atMs / MINUTE_MS) * MINUTE_MS);
        stores.open.put(start, (stores.open.get(start) ?? 0) + 1);
      },
    },
    onStreamTime: (streamTimeMs, { stores, emit }) => {
      for (const [start, counted] of [...stores.open.entries()]) {
        if (Number(start) + MINUTE_MS > streamTimeMs) continue;
        stores.open.delete(start);
        emit('minutes', { startMs: Number(start), count: counted });
      }
    },
  });
  return { topology: defineTopology({ applicationId: `${prefix}minute`, processors: [count] }), clicks, minutes };
}

function json<T>(): Pick<Topic<T>, 'encode' | 'decode'> {
  return {
    encode: (value) => JSON.stringify(value),
    decode: (bytes) => JSON.parse(Buffer.from(bytes).toString('utf8')) as T,
  };
}
