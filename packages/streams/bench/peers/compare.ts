// npm run bench:streams [-- --peers DIR] [--engines kstreams,flink] [--jobs w1,w2,latency] [--runs N] [--json]
// Runs this engine (as one process and as two) beside the peers on the peers' workload, by turns, with the peers' own
// harness and checker; prints their tables with medians, and what is to be reached. Exit code 1 when what ours wrote is
// not exactly the truth (what the peers miss is in the table). What it builds and measures is under PEERS_HOME
// (.millrace/peers): the first time takes ten minutes, and 4 GB of disk.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setUpPeers } from './peer-set-up.ts';
import { isExact, isOurs, type Run, ratios, ratioTable, tables } from './report.ts';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../../..');
const OURS = ['millrace+WORKERS=1', 'millrace+WORKERS=2'];
const JOBS = ['w1', 'w2', 'latency'] as const;
const RUN_LIMIT_S = '300';

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: join(ROOT, '../shared/bench/peers') },
    engines: { type: 'string', default: 'kstreams,flink' },
    jobs: { type: 'string', default: JOBS.join(',') },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const jobs = JOBS.filter((job) => values.jobs.split(',').includes(job));
const peerEngines = values.engines.split(',').filter((name) => name !== '');
const runCount = Number(values.runs);
if (jobs.length === 0 || !(runCount >= 1)) {
  console.error(`--jobs takes some of ${JOBS.join(',')}, --runs a number from 1`);
  process.exit(2);
}
const home = resolve(process.env.PEERS_HOME ?? join(ROOT, '.millrace/peers'));
mkdirSync(home, { recursive: true });
const resultsFile = join(home, `results-${new Date().toISOString().replaceAll(':', '-')}.jsonl`);

console.log(`peers in ${values.peers}, what they need in ${home}`);
const setUp = await setUpPeers(resolve(values.peers), home, peerEngines).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(2);
});
const runs: Run[] = [];
try {
  if (setUp.brokerIsCold) {
    await run('millrace+WORKERS=1', 'w2', 'to warm the broker up, not counted:');
    runs.length = 0;
  }
  for (let turn = 1; turn <= runCount; turn++) {
    for (const job of jobs)
      for (const engine of [...OURS, ...peerEngines]) await run(engine, job, `turn ${turn} of ${runCount}:`);
  }
} finally {
  setUp.stop();
}

const found = ratios(runs);
console.log(`\n${tables(runs)}\n\n### To be reached\n\n${ratioTable(found)}\n`);
const inexact = runs.filter((each) => isOurs(each.engine) && !isExact(each));
for (const each of inexact)
  console.error(`${each.engine} ${each.job} ${each.kind} is not exact: ${JSON.stringify(each)}`);
if (values.json)
  console.log(JSON.stringify({ benchmark: 'streams', exact: inexact.length === 0, ratios: found, runs }));
else {
  writeFileSync(join(home, 'results.json'), JSON.stringify({ ratios: found, runs }, null, 2));
  console.log(`all of it: ${join(home, 'results.json')}`);
}
process.exitCode = inexact.length === 0 ? 0 : 1;

async function run(engine: string, job: (typeof JOBS)[number], label: string): Promise<void> {
  process.stdout.write(`  ${label} ${job} ${engine} `);
  // In its default Kafka Streams loses windows when it replays fast: see the README of the peers.
  const variant = engine === 'kstreams' && job === 'w1' ? `${engine}+RETENTION_MIN=30` : engine;
  const before = linesOf(resultsFile).length;
  const child = spawn('bash', ['run.sh', variant, job], {
    cwd: setUp.folder,
    env: { ...setUp.env, RESULTS: resultsFile, LIMIT_S: RUN_LIMIT_S },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const code = await new Promise((done) => child.once('close', done));
  const line = linesOf(resultsFile)[before];
  if (code !== 0 || line === undefined) throw new Error(`harness.py failed on ${variant} ${job} (exit code ${code})`);
  const result = JSON.parse(line) as Run;
  runs.push(result);
  console.log(
    result.kind === 'latency'
      ? `p50 ${result.p50_ms} ms, p99 ${result.p99_ms} ms`
      : `${result.events_per_s ?? '-'} events/s, ${result.cpu_s_per_M ?? '-'} CPU s per M`,
  );
}

function linesOf(file: string): string[] {
  return existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : [];
}
