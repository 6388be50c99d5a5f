// npm run bench -- ingest [--json] [--only=http,ndjson,mqtt] [--seconds=N] [--no-mosquitto] [--profile=DIR]
//
// What ingest takes on this machine with Kafka and the load generator beside it: single payments over HTTP in turns with
// a bare Fastify that answers at once and keeps nothing, payments as NDJSON, and QoS 1 messages of 1,000 devices in turns
// with Mosquitto alone. Then each at half of its rate (or of what is to be reached, where that is less) in an open model,
// where the time of an acknowledgement counts from when its event was due.
//
// At the end the raw topics are read: exit code 1 when an acknowledged event is not there, when a part died, or when
// Mosquitto is missing (unless --no-mosquitto). Aims that are missed are printed and are no error: the machine may be busy
// ("others" says with how many cores). About two and a quarter minutes.
import { createTopics } from '@millrace/contracts';
import { createKafka } from '@millrace/kafka';
import { createLogger } from '@millrace/observability';
import { Generator } from './generator.ts';
import type { LoadTask } from './load/task.ts';
import { type Measured, measure, type Row, round, toRow } from './measure.ts';
import { countTopic } from './raw-topic.ts';
import { type Aim, aimsText, OTHERS_CORES_MAX, tableOf } from './report.ts';
import { hasMosquitto, type System, startSystem, type Target } from './system.ts';

const HTTP_CONNECTIONS = 128;
const NDJSON_CONNECTIONS = 4;
/** As many as the largest array, so that a sender who has 1,000 payments may choose either. */
const LINES_PER_REQUEST = 1_000;
/** A sender who minds how long an acknowledgement takes sends less at once. */
const LINES_PER_REQUEST_OPEN = 250;
const DEVICES = 1_000;
const WINDOW = 10;
/** Events per second. */
const NDJSON_AIM = 50_000;
const MQTT_AIM = 40_000;
const WARM_UP_MS = 3_000;
/** Of a target that has had its warm-up: what comes until all connections are busy. */
const SETTLE_MS = 500;

const FLAGS = ['--only', '--seconds', '--profile', '--no-mosquitto', '--json'];
const flags = new Map(process.argv.slice(2).map((argument) => argument.split('=', 2) as [string, string | undefined]));
const unknown = [...flags.keys()].filter((flag) => !FLAGS.includes(flag));
const only = (flags.get('--only') ?? 'http,ndjson,mqtt').split(',');
const seconds = Number(flags.get('--seconds') ?? 4);
if (unknown.length > 0 || !(seconds > 0)) {
  console.error(`${unknown.join(', ') || '--seconds'} is not understood; there are: ${FLAGS.join(', ')}`);
  process.exit(2);
}
const tell = (line: string) => console.error(`  ${line}`);
const runId = `b${Date.now().toString(36)}`;
const wantsMosquitto = only.includes('mqtt') && !flags.has('--no-mosquitto');
const mosquittoMissing = wantsMosquitto && !hasMosquitto();
if (mosquittoMissing) {
  console.error(
    'MOSQUITTO IS NOT INSTALLED, so nothing stands beside the MQTT figures, and this run fails. Install it with',
  );
  console.error('`apt-get install -y mosquitto` or `brew install mosquitto`, or do without by --no-mosquitto.');
}

const startedMs = performance.now();
const taken: { readonly topic: 'payments' | 'telemetry'; readonly first: number; readonly bits: Uint8Array }[] = [];
let nextNumber = 0;
const rows: Row[] = [];
const aims: Aim[] = [];

const generator = await Generator.start(runId, DEVICES);
const system = await startSystem({
  mosquitto: wantsMosquitto && !mosquittoMissing,
  profileDir: flags.get('--profile'),
  tell,
});
let lost = 0;
let counted: unknown;
try {
  if (only.includes('http')) await measureHttp(system);
  if (only.includes('ndjson')) await measureNdjson(system);
  if (only.includes('mqtt')) await measureMqtt(system);
  counted = await checkTopics(system);
} finally {
  generator.stop();
  await system.stop();
}
const restarted = system.restarted();
if (restarted.length > 0) console.error(`THESE DIED DURING THE RUN: ${restarted.join(', ')}`);
const ok = lost === 0 && restarted.length === 0 && !mosquittoMissing;
const busy = rows.some(({ othersCores }) => othersCores > OTHERS_CORES_MAX);

console.log(
  'CPU is in us per event: of the target, of Kafka, of the load generator; others: cores busy with anything else',
);
console.log(tableOf(rows));
console.log(`\n${aimsText(aims)}`);
if (busy) console.log('\nThe machine was busy with other things: ratios and CPU per event say more than rates.');
console.log(
  `\nevery acknowledged event is in its topic: ${lost === 0 ? 'yes' : `NO, ${lost} ARE MISSING`} ${JSON.stringify(counted)}`,
);
const tookS = round((performance.now() - startedMs) / 1_000, 0);
console.log(JSON.stringify({ benchmark: 'ingest', ok, busy, lost, counted, aims, rows, tookS }));
process.exitCode = ok ? 0 : 1;

async function measureHttp({ bare, ingest }: System): Promise<void> {
  const task: Load = { kind: 'http', connections: HTTP_CONNECTIONS, eventsPerRequest: 1, window: 1 };
  const [ours, theirs] = await inTurns(task, [ingest, bare], 3);
  if (ours === undefined || theirs === undefined) return;
  const ourRow = add('HTTP, single payments: ingest', ours);
  const bareRow = add('HTTP, the same: bare Fastify', theirs);
  aim('HTTP: ingest, of the rate of a bare Fastify', round(ourRow.perSecond / bareRow.perSecond, 2), 'at least', 0.75);
  aim('HTTP: bare Fastify, of the CPU of ingest', round(bareRow.targetUs / ourRow.targetUs, 2), 'at least', 0.75);
  await atHalf('HTTP', task, ourRow.perSecond, ingest);
}

async function measureNdjson({ ingest }: System): Promise<void> {
  const task: Load = {
    kind: 'ndjson',
    connections: NDJSON_CONNECTIONS,
    eventsPerRequest: LINES_PER_REQUEST,
    window: 1,
  };
  const [ours = []] = await inTurns(task, [ingest], 3);
  const row = add('NDJSON, 1,000 payments a request: ingest', ours);
  aim('NDJSON: payments/s', row.perSecond, 'at least', NDJSON_AIM);
  const open = { ...task, connections: 4 * NDJSON_CONNECTIONS, eventsPerRequest: LINES_PER_REQUEST_OPEN };
  await atHalf(`NDJSON, ${LINES_PER_REQUEST_OPEN} a request,`, open, Math.min(row.perSecond, NDJSON_AIM), ingest);
}

async function measureMqtt({ ingest, mosquitto }: System): Promise<void> {
  const task: Load = { kind: 'mqtt', connections: DEVICES, eventsPerRequest: 1, window: WINDOW };
  const [ours = [], theirs] = await inTurns(task, mosquitto === undefined ? [ingest] : [ingest, mosquitto], 2);
  const row = add('MQTT, 1,000 devices, QoS 1: ingest', ours);
  if (theirs !== undefined) add('MQTT, the same: Mosquitto alone', theirs);
  aim('MQTT: messages/s acknowledged after Kafka', row.perSecond, 'at least', MQTT_AIM);
  await atHalf('MQTT', task, Math.min(row.perSecond, MQTT_AIM), ingest);
}

type Load = Omit<LoadTask, 'port' | 'warmUpMs' | 'measureMs' | 'firstNumber' | 'runId'>;

/** Several windows of each target, one after the other, after a warm-up of each. */
async function inTurns(load: Load, targets: readonly Target[], turns: number): Promise<Measured[][]> {
  for (const target of targets) await one(load, target, WARM_UP_MS, SETTLE_MS);
  const found = targets.map((): Measured[] => []);
  for (let turn = 0; turn < turns; turn += 1) {
    for (const [index, target] of targets.entries()) {
      found[index]?.push(await one(load, target, SETTLE_MS, seconds * 1_000));
    }
  }
  return found;
}

/** At half of the rate that was reached, or of the one that is to be reached where that is less. */
async function atHalf(what: string, load: Load, perSecond: number, target: Target): Promise<void> {
  const window = await one({ ...load, eventsPerSecond: perSecond / 2 }, target, WARM_UP_MS / 2, seconds * 2_000);
  const row = add(`${what} at half, open model: ingest`, [window]);
  aim(`${what} p99 of the acknowledgement at half, ms`, row.p99Ms, 'under', 50);
}

async function one(load: Load, target: Target, warmUpMs: number, measureMs: number): Promise<Measured> {
  const port = load.kind === 'mqtt' ? target.mqttPort : target.httpPort;
  const task: LoadTask = { ...load, port, warmUpMs, measureMs, firstNumber: nextNumber, runId };
  const measured = await measure(system, generator, target, task);
  tell(`${load.kind} ${target.part.name}: ${Math.round(measured.events / measured.seconds)} events/s`);
  if (target === system.ingest) {
    const topic = load.kind === 'mqtt' ? 'telemetry' : 'payments';
    taken.push({ topic, first: nextNumber, bits: measured.acknowledged });
  }
  nextNumber = measured.endNumber;
  return measured;
}

function add(what: string, measured: readonly Measured[]): Row {
  const row = toRow(what, measured);
  rows.push(row);
  return row;
}

function aim(what: string, measured: number, comparison: 'at least' | 'under', limit: number): void {
  const reached = comparison === 'at least' ? measured >= limit : measured < limit;
  aims.push({ what, aim: `${comparison} ${limit}`, measured, reached });
}

/** Every acknowledged event has to be in its topic; what is there more than once, or unacknowledged, is told. */
async function checkTopics({ kafkaBrokers }: System): Promise<unknown> {
  tell('reading the raw topics');
  const topics = createTopics();
  const names = { payments: topics.paymentsRaw.name, telemetry: topics.telemetryRaw.name };
  const logger = createLogger({ service: 'bench', level: 'error' });
  const kafka = createKafka({ brokers: [kafkaBrokers], clientId: 'bench', logger });
  const result: Record<string, object> = {};
  for (const topic of ['payments', 'telemetry'] as const) {
    const ranges = taken.filter((range) => range.topic === topic);
    if (ranges.length === 0) continue;
    const { records, offsets, timesByNumber } = await countTopic(kafka, names[topic], nextNumber);
    let acknowledged = 0;
    let missing = records === offsets ? 0 : Math.abs(offsets - records);
    for (const { first, bits } of ranges) {
      for (let n = 0; n < bits.length * 8; n += 1) {
        if (((bits[n >> 3] ?? 0) & (1 << (n & 7))) === 0) continue;
        acknowledged += 1;
        if (timesByNumber[first + n] === 0) missing += 1;
      }
    }
    const twice = timesByNumber.reduce((sum, times) => sum + (times > 1 ? 1 : 0), 0);
    lost += missing;
    result[topic] = { acknowledged, missing, twice, records };
  }
  return result;
}
