// npm test                    lint, typecheck, every test, and then the short forms of the drills (test/faults, test/acknowledgements)
// npm run test:unit           unit and property tests: no network outside the process
// npm run test:integration    those against a real Kafka, ClickHouse and MQTT, which are started once for the run
// Each takes files and flags of `node --test` after `--`: npm run test:unit -- packages/rules/test/decide.test.ts
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';

const FILES = {
  unit: [
    'packages/*/test/**/*.test.ts',
    'services/*/test/**/*.test.ts',
    'scripts/test/**/*.test.ts',
    'test/**/*.test.ts',
  ],
  integration: ['packages/*/test/**/*.itest.ts', 'services/*/test/**/*.itest.ts', 'test/**/*.itest.ts'],
} as const;
const SETUP = 'packages/local-stack/src/test-setup.ts';
/** Bounds a test that hangs, so that the run fails by saying which one it was. */
const TEST_MS_MAX = 240_000;

const [kind, rest] = readArguments(process.argv.slice(2));
const checks = kind === 'all' && rest.length === 0 ? await runChecks() : [];
const tests = await run('tests', testArguments());
// Alone on the machine: they judge what the platform does under load, not what a busy machine does to it.
const drills = kind === 'all' && rest.length === 0 ? await runDrills() : [];
const failed = [...checks, tests, ...drills].filter((step) => step.code !== 0);
// Where a step ends with its own summary, that may have scrolled away.
for (const step of failed) if (step !== tests || drills.length > 0) console.error(`${step.name} failed, see above`);
process.exitCode = failed.length === 0 ? 0 : 1;

function readArguments(args: string[]): ['all' | 'unit' | 'integration', string[]] {
  const [first, ...others] = args;
  return first === 'unit' || first === 'integration' ? [first, others] : ['all', args];
}

async function runChecks(): Promise<Step[]> {
  const lint = await run('lint', ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings']);
  const types = await run('typecheck', ['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json']);
  return [lint, types];
}

async function runDrills(): Promise<Step[]> {
  const faults = await run('fault drills', ['test/faults/main.ts']);
  const acknowledgements = await run('acknowledgement drill', ['test/acknowledgements/main.ts', '--kills', '6']);
  return [faults, acknowledgements];
}

function testArguments(): string[] {
  const flags = rest.filter((argument) => argument.startsWith('-'));
  const named = rest.filter((argument) => !argument.startsWith('-'));
  const patterns = kind === 'all' ? [...FILES.unit, ...FILES.integration] : FILES[kind];
  const files = named.length > 0 ? named : globSync([...patterns]).sort();
  if (files.length === 0) throw new Error(`no test files: ${patterns.join(' ')}`);
  const needsStack = files.some((file) => file.endsWith('.itest.ts'));
  return [
    '--test',
    '--test-reporter=spec',
    `--test-timeout=${TEST_MS_MAX}`,
    ...(needsStack ? [`--test-global-setup=${SETUP}`] : []),
    ...flags,
    ...files,
  ];
}

interface Step {
  readonly name: string;
  readonly code: number;
}

function run(name: string, args: string[]): Promise<Step> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  // Ctrl-C reaches the child by the terminal; this process waits for it, so that the stack is stopped before the end.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
      if (name !== 'tests') console.error(`${name}: ${code === 0 ? 'passed' : 'failed'}, ${seconds} s`);
      resolve({ name, code: code ?? 1 });
    });
  });
}
