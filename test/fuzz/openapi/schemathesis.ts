import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FuzzPart } from '../part.ts';
import { installSchemathesis } from './install.ts';
import { seedStore } from './seed-store.ts';

const HOOKS = fileURLToPath(new URL('./hooks.py', import.meta.url));
const CONFIG = fileURLToPath(new URL('./schemathesis.toml', import.meta.url));
const RUN_MS_MAX = 240_000;
const REQUEST_SECONDS_MAX = 20;

interface Expectation {
  /** Checks of schemathesis that do not hold, and why that is right. */
  readonly without: readonly string[];
  readonly exclude: readonly string[];
}

const EXPECTED: Readonly<Record<'ingest' | 'api', Expectation>> = {
  // Not every event that fits its schema is right: the age of a time, the digits of a currency and the check digit of a
  // card number are beyond JSON Schema.
  ingest: { without: ['positive_data_acceptance'], exclude: [] },
  // Streams that do not end have tests of their own. A time range or a cursor that fits its schema may still be none.
  api: { without: ['positive_data_acceptance'], exclude: ['--exclude-path-regex', '^/v1/stream/'] },
};

/**
 * Asks a service's own OpenAPI text what it takes, sends that and what is just beside it, and checks each answer: no 5xx,
 * no status, content type or body that the text does not know, and nothing wrong that is accepted.
 */
export function openapiOf(service: 'ingest' | 'api'): FuzzPart {
  return {
    name: `openapi-${service}`,
    async run({ platform, seed, examples, say }) {
      const program = await installSchemathesis(say);
      const known = service === 'api' ? await seedStore(platform) : {};
      const cwd = join(platform.dataDir, 'schemathesis');
      await mkdir(cwd, { recursive: true });
      const { without, exclude } = EXPECTED[service];
      const args = [
        ...['--config-file', CONFIG],
        'run',
        `${platform[service]}/openapi.json`,
        ...['--seed', String(seed), '--max-examples', String(examples), '--no-color', '--continue-on-failure'],
        ...['--checks', 'all', '--exclude-checks', without.join(','), ...exclude],
        // Large and filtered data is what is wanted here.
        ...['--suppress-health-check', 'all', '--warnings', 'off'],
        ...['--request-timeout', String(REQUEST_SECONDS_MAX), '--generation-database', 'none'],
      ];
      const env = { ...process.env, SCHEMATHESIS_HOOKS: HOOKS, FUZZ_KNOWN: JSON.stringify(known) };
      const { code, output } = await runProgram(program, args, { cwd, env });
      assert.equal(code, 0, `schemathesis ${args.join(' ')}\n${output}`);
      const cases = /(\d+) generated/.exec(output)?.[1];
      const operations = /Tested: +(\d+)/.exec(output)?.[1];
      assert.ok(cases !== undefined && operations !== undefined, `schemathesis tested nothing:\n${output}`);
      return `${cases} requests to ${operations} operations`;
    },
  };
}

async function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], timeout: RUN_MS_MAX });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, output };
}
