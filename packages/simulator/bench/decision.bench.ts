/**
 * npm run bench -- decision [--rate=500 --seconds=30 --ingest=URL ...]    (--help lists the flags)
 *
 * How long a caller of `POST /v1/payments?wait=decision` waits. Payments of the simulator's world are sent when they are
 * due, however late the answers to earlier ones are, and latency counts from when a payment was due: a pipeline that
 * stalls is not spared the payments that would have come meanwhile. Sends to the stack that a flag names, else to one
 * that it starts and removes. Exit code 1 when an answer is lost, or when p50 or p99 is over its limit.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePortBase, startPlatform } from '@millrace/test-platform';
import { ADDRESS_FLAGS, addressesOf, checkRunning } from '../src/cli/addresses.ts';
import { EXIT_FAILED, runCommand } from '../src/cli/command.ts';
import type { Command, Flags } from '../src/cli/flags.ts';
import { formatTable } from '../src/cli/table.ts';
import { type RouteKind, sendLines } from '../src/send/event-sender.ts';
import { createHttpClient } from '../src/send/http-client.ts';
import { createLanes } from '../src/send/lanes.ts';
import type { WorldEvent } from '../src/world/events.ts';
import { NO_FAULTS } from '../src/world/faults.ts';
import { createWorld } from '../src/world/world.ts';
import { createAuthoriser, createTally, type Tally } from './decision/authoriser.ts';
import { summarise } from './decision/latencies.ts';

const P50_MS_MAX = 60;
const P99_MS_MAX = 250;

const COMMAND = {
  usage: 'npm run bench -- decision [--rate=N] [--seconds=N] [flags]',
  summary: 'Measures how long a caller waits for the decision on a payment.',
  flags: {
    rate: { kind: 'number', help: 'payments per second', byDefault: 500, min: 1, max: 20_000 },
    seconds: { kind: 'number', help: 'how long to measure', byDefault: 30, min: 1, max: 3_600 },
    'warm-up': { kind: 'number', help: 'seconds before that, not measured', byDefault: 15, min: 0, max: 600 },
    seed: { kind: 'number', help: 'of the world', byDefault: 1, min: 0, max: 2 ** 32 - 1 },
    ...ADDRESS_FLAGS,
  },
  files: { min: 0, max: 0 },
} as const satisfies Command<Flags>;

/** Each waits for a second at most, so these do for a thousand payments a second when none is decided in time. */
const CONNECTIONS = 1_024;
/** As under live traffic: each of 400 people per payment and second pays every seven minutes on average. */
const SHOPPERS_PER_PAYMENT_RATE = 400;
const SHOPPERS_PER_MERCHANT = 50;
const TICK_MS = 1;
const LINES_MAX = 1_000;
const LINGER_MS = 50;

/** Epoch ms, finer than `Date.now`, and never put back. */
const nowMs = () => performance.timeOrigin + performance.now();

await runCommand(COMMAND, async ({ values }) => {
  const isElsewhere = values.ingest !== undefined || values['port-base'] !== undefined;
  const stack = isElsewhere ? { ingest: await runningIngest(values), stop: async () => {} } : await startStack();
  try {
    const { rate, seconds } = values;
    const tally = await measure(stack.ingest, values);
    const { sent, decided, linked, latenciesMs } = tally;
    const lost = sent - decided - linked;
    const latency = summarise(latenciesMs);
    const ok = lost === 0 && latency.p50Ms < P50_MS_MAX && latency.p99Ms < P99_MS_MAX;
    print(tally, rate, seconds);
    const decidedShare = Number((decided / sent).toFixed(4));
    console.log(
      JSON.stringify({
        benchmark: 'decision',
        ok,
        rate,
        seconds,
        sent,
        decided,
        decidedShare,
        linked,
        lost,
        ...latency,
      }),
    );
    if (!ok) process.exitCode = EXIT_FAILED;
  } finally {
    await stack.stop();
  }
});

async function runningIngest(flags: Parameters<typeof addressesOf>[0]): Promise<string> {
  const addresses = addressesOf(flags);
  await checkRunning(addresses);
  return addresses.ingest;
}

async function startStack() {
  console.log('starting a stack of its own');
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const remove = () => rm(dataDir, { recursive: true, force: true });
  try {
    const platform = await startPlatform({ dataDir, portBase: await freePortBase() });
    return { ingest: platform.ingest, stop: () => platform.group.close().then(remove) };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function measure(
  url: string,
  options: { readonly rate: number; readonly seconds: number; readonly 'warm-up': number; readonly seed: number },
): Promise<Tally> {
  const { rate, seconds, seed } = options;
  const startMs = Math.ceil(nowMs());
  const measureFromMs = startMs + options['warm-up'] * 1_000;
  const endMs = measureFromMs + seconds * 1_000;
  const shoppers = Math.max(2_000, Math.round(rate * SHOPPERS_PER_PAYMENT_RATE));
  const merchants = Math.round(shoppers / SHOPPERS_PER_MERCHANT);
  const runId = `bench-${startMs.toString(36)}`;
  const size = { paymentsPerSecond: rate, shoppers, merchants, devices: 0 };
  const world = createWorld({ seed, startMs, runId, faults: NO_FAULTS, ...size });
  const authoriser = createAuthoriser({ url, connections: CONNECTIONS, nowMs });
  const reference = createReference(url);
  const warmUp = createTally();
  const measured = createTally();
  try {
    for (let now = nowMs(); now < endMs; now = nowMs()) {
      for (const event of world.events(now)) {
        if (event.kind !== 'payment') reference.send(event);
        else authoriser.send(event.event, event.sendAtMs, event.sendAtMs < measureFromMs ? warmUp : measured);
      }
      await sleep(TICK_MS);
    }
    await authoriser.drain();
    return measured;
  } finally {
    await Promise.all([authoriser.close(), reference.close()]);
  }
}

/** Merchants and customers of the world, as they become known: decisions need them. */
function createReference(url: string) {
  const stop = new AbortController();
  const client = createHttpClient({ url, connections: 2, signal: stop.signal });
  const lanesOf = (kind: RouteKind) =>
    createLanes<{ id: string; json: string }>({
      ...{ lanes: 1, batchMax: LINES_MAX, lingerMs: LINGER_MS, itemsMax: Number.POSITIVE_INFINITY },
      async send(batch) {
        await sendLines(client, kind, batch);
      },
    });
  const lanes = { merchant: lanesOf('merchants'), customer: lanesOf('customers') };
  return {
    send({ kind, ...envelope }: WorldEvent) {
      if ((kind === 'merchant' || kind === 'customer') && 'event' in envelope) {
        lanes[kind].add('', { id: '', json: JSON.stringify(envelope.event) });
      }
      for (const lane of Object.values(lanes)) lane.check();
    },
    async close() {
      while (Object.values(lanes).some(({ size }) => size > 0)) await sleep(LINGER_MS);
      await client.close();
    },
  };
}

function print({ sent, decided, linked, lost, latenciesMs }: Tally, rate: number, seconds: number): void {
  const { p50Ms, p90Ms, p99Ms, maxMs } = summarise(latenciesMs);
  const share = ((100 * decided) / sent).toFixed(2);
  console.log(`${rate} payments a second for ${seconds} s, each waiting for its decision; from when it was due, in ms`);
  console.log(
    formatTable([
      ['p50', `${p50Ms} (limit ${P50_MS_MAX})`],
      ['p90', `${p90Ms}`],
      ['p99', `${p99Ms} (limit ${P99_MS_MAX})`],
      ['max', `${maxMs}`],
      ['payments', `${sent}`],
      ['decided in time', `${decided} (${share} %)`],
      ['answered with a link', `${linked}`],
      ['answers lost', `${sent - decided - linked}`],
    ]),
  );
  for (const [reason, count] of lost) console.log(`  lost: ${reason}: ${count}`);
}
