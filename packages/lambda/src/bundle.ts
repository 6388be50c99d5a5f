import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The functions, by name, with the module that exports `handler`. */
export const FUNCTIONS = {
  ingest: 'services/ingest/src/lambda.ts',
  enricher: 'services/enricher/src/lambda.ts',
  'fraud-detector': 'services/fraud-detector/src/lambda.ts',
} as const;
export type FunctionName = keyof typeof FUNCTIONS;

/** Lambda's newest runtime whose Node the sources are written for. */
const TARGET = 'node24';
/** A dependency that is no ES module calls `require` for Node's own modules. */
const BANNER =
  "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);";

/**
 * Makes `<folder>/<name>/lambda.mjs` of a function and all it needs. Lambda's Node loads no TypeScript
 * (https://docs.aws.amazon.com/lambda/latest/dg/lambda-typescript.html), and one file starts faster than a thousand.
 */
export async function bundleFunction(name: FunctionName, folder: string): Promise<string> {
  const taskRoot = join(folder, name);
  await rm(taskRoot, { recursive: true, force: true });
  await build({
    absWorkingDir: ROOT,
    entryPoints: [FUNCTIONS[name]],
    outfile: join(taskRoot, 'lambda.mjs'),
    bundle: true,
    platform: 'node',
    target: TARGET,
    format: 'esm',
    sourcemap: true,
    legalComments: 'none',
    banner: { js: BANNER },
    plugins: [requireAtBuildTime],
    logLevel: 'warning',
  });
  return taskRoot;
}

/**
 * The Kafka adapter loads modules of kafkajs with a `require` of its own making, which a bundler does not look into.
 * Without that line it is the bundler's.
 */
const requireAtBuildTime: Plugin = {
  name: 'require-at-build-time',
  setup: ({ onLoad }) => {
    onLoad({ filter: /packages\/kafka\/src\/kafkajs-internals\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const contents = source.replace('const require = createRequire(import.meta.url);', '');
      if (contents === source) throw new Error(`${path} has changed: the bundle would miss parts of kafkajs`);
      return { contents, loader: 'ts' };
    });
  },
};
