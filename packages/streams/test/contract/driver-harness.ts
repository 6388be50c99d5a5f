import { createTestDriver, type TestDriver, type Topic, type Topology } from '../../src/index.ts';
import type { Topics } from '../../src/topology.ts';
import { type Harness, STARTED_AT_MS } from './harness.ts';

/** The test driver as a harness. Everything has happened when `pipe` returns, so nothing here waits. */
export function openDriver(topology: Topology): Harness {
  const driver = createTestDriver(topology, { nowMs: STARTED_AT_MS });
  let nowMs = STARTED_AT_MS;
  let failure: Error | undefined;
  const pipe: TestDriver['pipe'] = (topic, record) => {
    if (failure !== undefined) return;
    try {
      driver.pipe(topic, record);
    } catch (error) {
      failure = error as Error;
    }
  };
  return {
    pipe: async (topic, ...records) => {
      for (const record of records) pipe(topic, record);
    },
    // The runtime takes what lies in several inputs in the order of event times, of each input in its own order.
    pipeTogether: async (inputs) => {
      const rest = Object.entries(inputs).map(([topic, records]) => ({ topic, records: [...records] }));
      const timeOf = ({ topic, records }: (typeof rest)[number]) => {
        const [head] = records;
        return head?.timestampMs ?? topicOf(topology, topic).timestampMs(head?.value);
      };
      for (;;) {
        const heads = rest.filter(({ records }) => records.length > 0);
        if (heads.length === 0) return;
        const next = heads.reduce((first, other) => (timeOf(other) < timeOf(first) ? other : first));
        const record = next.records.shift();
        if (record !== undefined) pipe(next.topic, record);
      }
    },
    passTime: async (ms) => {
      nowMs += ms;
      driver.setNow(nowMs);
    },
    output: async <T>(topic: string) => driver.output<T>(topic),
    records: async (topic) =>
      driver.records(topic).map(({ key, value, timestampMs, headers }) => ({
        key: key ?? '',
        value: value === null ? null : value.toString(),
        timestampMs: timestampMs ?? Number.NaN,
        headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, bytes]) => [name, bytes.toString()])),
      })),
    letters: async () => driver.deadLetters(),
    look: async (processor, store, key) => driver.store(processor, store).inspect?.(key),
    restart: async () => driver.restart(),
    failure: async () => failure ?? new Error('nothing has failed'),
  };
}

export function topicOf({ processors }: Topology, name: string): Topic<unknown> {
  const topics = processors.flatMap(({ inputs, globals, outputs }) =>
    [inputs, globals ?? {}, outputs].flatMap((group: Topics) => Object.values(group)),
  );
  const topic = topics.find((candidate) => candidate.name === name);
  if (topic === undefined) throw new Error(`${name} is not a topic of the topology`);
  return topic as Topic<unknown>;
}
