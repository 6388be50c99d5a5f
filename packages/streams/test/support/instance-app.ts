/**
 * One instance of an application, for `startInstance`. Its argument: the options as JSON. It sends its status to its
 * parent whenever that has changed.
 */
import { createKafka } from '@millrace/kafka';
import { createLogger, createMetrics } from '@millrace/observability';
import { startStreams, type Topology } from '../../src/index.ts';
import { createCountTopology } from './count-topology.ts';
import { deadLetterTopic } from './dead-letter-topic.ts';
import type { InstanceOptions, Status } from './instance.ts';
import { createTimelyTopology } from './timely-topology.ts';

const STATUS_INTERVAL_MS = 50;

const options: InstanceOptions = JSON.parse(process.argv[2] ?? '{}');
const { brokers, prefix, inputPrefix, topology: kind, recordMs, standbys = 0 } = options;
let fenced = 0;
// Fencing shows in the log only: whoever is fenced while it lets go of a partition has nothing to rebuild.
const write = (line: string) => {
  if (line.includes('"code":"fenced"')) fenced += 1;
  process.stdout.write(line);
};
const logger = createLogger({ service: kind, level: 'info', destination: { write } });
const metrics = createMetrics(kind);
const built = kind === 'count' ? createCountTopology(prefix) : createTimelyTopology(prefix, inputPrefix);
const streams = await startStreams({
  topology: recordMs === undefined ? built.topology : slowDown(built.topology, recordMs),
  kafka: createKafka({ brokers, clientId: kind, logger }),
  metrics,
  logger,
  deadLetters: deadLetterTopic(prefix),
  standbys,
  onFatal: (error) => {
    logger.fatal({ err: error }, 'fatal');
    process.exit(1);
  },
});
process.on('SIGTERM', () => {
  void streams.close().then(() => process.exit(0));
});

let sent = '';
setInterval(() => void tell(), STATUS_INTERVAL_MS);

async function tell(): Promise<void> {
  const ready = streams.isReady();
  const [assigned = 0, running = 0, restored = 0, standbys = 0] = await Promise.all(
    ['tasks_assigned', 'tasks_running', 'restored_records_total', 'standbys'].map(async (name) => {
      const read = await metrics.registry.getSingleMetric(`millrace_streams_${name}`)?.get();
      return (read?.values ?? []).reduce((sum, { value }) => sum + value, 0);
    }),
  );
  const status: Status = { ready, assigned, running, fenced, restored, standbys };
  const text = JSON.stringify(status);
  if (text !== sent) process.send?.(status);
  sent = text;
}

/** Sleeps before each record, at no cost to the CPU. */
function slowDown(topology: Topology, ms: number): Topology {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const slow =
    <A extends unknown[]>(process: (...args: A) => void) =>
    (...args: A) => {
      Atomics.wait(cell, 0, 0, ms);
      process(...args);
    };
  const processors = topology.processors.map((processor) => ({
    ...processor,
    process: Object.fromEntries(
      Object.entries(processor.process).map(([input, process]) => [input, slow(process as (...args: never[]) => void)]),
    ) as typeof processor.process,
  }));
  return { ...topology, processors };
}
