/** Sets the peers up: a work folder, their dependencies, a broker, and the input topic. What is there already is used. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ENGINE = join(dirname(fileURLToPath(import.meta.url)), 'engine.ts');
const PARTS = [
  'README.md',
  'broker',
  'env.sh',
  'flink',
  'harness.py',
  'kstreams',
  'load.sh',
  'node',
  'run.sh',
  'tools',
  'truth',
];
const COMMANDS = ['java', 'javac', 'mvn', 'python3', 'npm', 'bash'];
const CONNECT_WAIT_MS = 1_000;

export interface PeerSetUp {
  /** The peers' folder with one engine more: `millrace`. */
  readonly folder: string;
  /** For everything that is run in it. */
  readonly env: NodeJS.ProcessEnv;
  /** The broker was started here: its first clients pay for what the JVM has not compiled yet. */
  readonly brokerIsCold: boolean;
  /** Stops the broker, if it was started here. */
  stop(): void;
}

export async function setUpPeers(peers: string, home: string, engines: readonly string[]): Promise<PeerSetUp> {
  const missing = PARTS.filter((part) => !existsSync(join(peers, part)));
  if (missing.length > 0)
    throw new Error(`${peers} is not the folder of the peers (no ${missing.join(', ')}): name it with --peers DIR`);
  const absent = COMMANDS.filter((command) => spawnSync('which', [command]).status !== 0);
  if (absent.length > 0)
    throw new Error(`the peers need ${absent.join(', ')}, which this machine has not: install them`);

  const folder = join(home, 'work');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'millrace'), { recursive: true });
  for (const part of PARTS) symlinkSync(join(peers, part), join(folder, part));
  writeFileSync(join(folder, 'millrace', 'start.sh'), startScript(home));
  const env = { ...process.env, PEERS_HOME: home };
  const bash = (script: string) =>
    execFileSync('bash', ['-c', `set -euo pipefail; . ./env.sh; ${script}`], {
      cwd: folder,
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });

  // 1. Dependencies, through their ordinary clients; the first time takes some minutes.
  const java = [
    'tools',
    ...engines.map((engine) => engine.split('+', 1)[0] ?? '').filter((name) => name === 'kstreams' || name === 'flink'),
  ];
  for (const part of new Set(['broker', ...java])) {
    if (existsSync(join(home, 'lib', part))) continue;
    console.log(`  fetching what ${part} needs`);
    bash(
      `mvn -q -B -DbuildDir="$PEERS_HOME/build/${part}" -f ${part}/pom.xml dependency:copy-dependencies -DoutputDirectory="$PEERS_HOME/lib/${part}"`,
    );
  }
  for (const part of new Set(java)) {
    if (existsSync(join(home, 'classes', part))) continue;
    bash(
      `mkdir -p "$PEERS_HOME/classes/${part}"; javac -d "$PEERS_HOME/classes/${part}" -cp "$PEERS_HOME/lib/${part}/*" ${part}/src/main/java/*.java`,
    );
  }
  if (!existsSync(join(home, 'node', 'node_modules')))
    bash(
      'mkdir -p "$NODE_DEPS"; cp node/package.json "$NODE_DEPS/"; cd "$NODE_DEPS"; npm install --no-audit --no-fund --silent',
    );

  // 2. A broker, and in it the topic.
  const port = Number(process.env.KAFKA_PORT ?? 29092);
  const running = await answers(port);
  const pidFile = join(home, 'broker', 'broker.pid');
  if (running && !existsSync(pidFile))
    throw new Error(`port ${port} is taken by something else than the peers' broker: set KAFKA_PORT and KAFKA_CPORT`);
  if (!running) {
    console.log(`  starting the broker on port ${port}`);
    bash('setsid broker/start.sh > "$PEERS_HOME/broker-start.log" 2>&1');
  }
  const stop = () => {
    if (!running) process.kill(Number(readFileSync(pidFile, 'utf8')));
  };
  const loaded = join(home, 'broker', 'data', 'bench.payments-0');
  if (!existsSync(loaded) || !existsSync(join(home, 'truth', 'meta.json'))) {
    console.log('  generating two million payments, loading them, computing the truth');
    try {
      bash('./load.sh');
    } catch (error) {
      stop();
      throw error;
    }
  }
  return { folder, env, brokerIsCold: !running, stop };
}

/** Half of it is copied at most: what lives on is little, and with Node's own 16 the process takes 80 MiB more. */
const YOUNG_GENERATION_MIB = 8;

/** Node keeps what it has compiled, as the JVM comes with its classes compiled beforehand. */
const startScript = (home: string): string => `#!/usr/bin/env bash
# Written by npm run bench:streams. WORKERS processes of one application.
export NODE_COMPILE_CACHE=${quote(join(home, 'node-cache'))}
engine=(${quote(process.execPath)} --max-semi-space-size=${YOUNG_GENERATION_MIB} ${quote(ENGINE)})
for _ in $(seq 2 "\${WORKERS:-1}"); do "\${engine[@]}" & done
exec "\${engine[@]}"
`;

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: CONNECT_WAIT_MS });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}
