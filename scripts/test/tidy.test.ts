// The rules of the house that a machine can check, over the whole tree.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

const LINES_MAX = 400;

/** Who may import the client of an outside system: its one adapter, and tests that check a server with a stranger's client. */
const ADAPTERS: Readonly<Record<string, RegExp>> = {
  kafkajs: /^packages\/kafka\//,
  '@clickhouse/client': /^packages\/(warehouse\/|local-stack\/(test|bench)\/)/,
  chdb: /^packages\/local-stack\//,
  mqtt: /^(services\/ingest\/|packages\/simulator\/|test\/)/,
  aedes: /^packages\/simulator\/test\//,
};

/** No clock, no network, no `node:` module: what they say depends on their arguments only. */
const PURE = /^packages\/(contracts|rules)\/src\//;

/** Besides `config.ts`, which is the only place that reads the environment. */
const MAY_READ_ENVIRONMENT: readonly string[] = [];

const FORBIDDEN_NAMES = /(^|[-/.])(utils?|helpers?|common|managers?|misc)([-/.]|$)/;

interface SourceFile {
  readonly path: string;
  /** `packages/kafka`, `services/sink`, `test/end-to-end`, `scripts`. */
  readonly workspace: string;
  readonly text: string;
  /** The modules that are imported, as they are written. */
  readonly imports: readonly string[];
}

const FILES: readonly SourceFile[] = globSync([
  'packages/*/{src,test,bench}/**/*.{ts,mjs,js}',
  'services/*/{src,test,bench}/**/*.{ts,mjs,js}',
  'scripts/**/*.{ts,mjs}',
  'test/*/**/*.{ts,mjs}',
]).map((path) => {
  const text = readFileSync(path, 'utf8');
  const workspace = path.startsWith('scripts/') ? 'scripts' : path.split('/').slice(0, 2).join('/');
  return { path, workspace, text, imports: importsOf(text) };
});

function importsOf(text: string): string[] {
  const statements = text.matchAll(/^(?:import|export)\s(?:[^;'"]*?\sfrom\s)?'([^']+)'|\bimport\('([^']+)'\)/gm);
  return Array.from(statements, ([, name, dynamic]) => name ?? dynamic ?? '');
}

/** Passes when nothing breaks the rule, and lists everything that does. */
function assertNone(rule: string, breaches: readonly string[]): void {
  assert.equal(breaches.length, 0, `${rule}:\n${breaches.map((breach) => `  ${breach}`).join('\n')}`);
}

function eachImport(breaks: (file: SourceFile, name: string) => boolean): string[] {
  return FILES.flatMap((file) =>
    file.imports.filter((name) => breaks(file, name)).map((name) => `${file.path}: ${name}`),
  );
}

/** `@scope/name` or `name`, without what follows. */
function packageOf(name: string): string {
  return name.split('/', name.startsWith('@') ? 2 : 1).join('/');
}

const isRelative = (name: string): boolean => name.startsWith('.');
const isBuiltin = (name: string): boolean => name.startsWith('node:') || builtinModules.includes(name);

test('the tree was found', () => {
  assert.ok(FILES.length > 100, `only ${FILES.length} source files`);
});

test(`no file has more than ${LINES_MAX} lines`, () => {
  const long = FILES.map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 })).filter(
    (file) => file.lines > LINES_MAX,
  );
  assertNone(
    'a file has one subject; split it',
    long.map(({ path, lines }) => `${path}: ${lines} lines`),
  );
});

test('the client of an outside system is imported by its adapter only', () => {
  assertNone(
    'go through the adapter',
    eachImport(({ path }, name) => ADAPTERS[packageOf(name)]?.test(path) === false),
  );
});

test('a service never imports another service', () => {
  const services = globSync('services/*/package.json').map(
    (file): string => JSON.parse(readFileSync(file, 'utf8')).name,
  );
  assert.equal(services.length, 5);
  assertNone(
    'what two services need belongs in a package',
    eachImport((_, name) => services.includes(packageOf(name))),
  );
});

test('nothing is imported past the index of a package', () => {
  const leavesWorkspace = ({ path, workspace }: SourceFile, name: string): boolean =>
    workspace !== 'scripts' && isRelative(name) && relative(workspace, join(dirname(path), name)).startsWith('..');
  assertNone(
    'import the package by its name',
    eachImport((file, name) => /^@millrace\/[^/]+\/./.test(name) || leavesWorkspace(file, name)),
  );
});

test('every package that is imported is declared by the workspace that imports it', () => {
  const declared = new Map<string, Set<string>>();
  for (const workspace of new Set(FILES.map((file) => file.workspace))) {
    const manifest = workspace === 'scripts' ? {} : JSON.parse(readFileSync(join(workspace, 'package.json'), 'utf8'));
    const root = JSON.parse(readFileSync('package.json', 'utf8'));
    // Tools for tests are the root's.
    const all = {
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...root.devDependencies,
      [manifest.name ?? root.name]: '',
    };
    declared.set(workspace, new Set(Object.keys(all)));
  }
  assertNone(
    'add it to the dependencies in package.json',
    eachImport(
      ({ workspace }, name) =>
        !isRelative(name) && !isBuiltin(name) && declared.get(workspace)?.has(packageOf(name)) === false,
    ),
  );
});

test('contracts and rules are pure', () => {
  assertNone(
    'I/O lives at the edge',
    eachImport(({ path }, name) => PURE.test(path) && isBuiltin(name)),
  );
  const clocks = FILES.filter(
    ({ path, text }) => PURE.test(path) && /\bDate\.now\(|new Date\(\)|\bperformance\.now\(|\bfetch\(/.test(text),
  );
  assertNone(
    'time is an argument',
    clocks.map(({ path }) => path),
  );
});

test('the environment is read in config.ts only', () => {
  const readers = FILES.filter(({ path, text }) => {
    const isSource = path.includes('/src/') && !path.endsWith('/config.ts') && !MAY_READ_ENVIRONMENT.includes(path);
    return isSource && /\bprocess\.env\b/.test(withoutComments(text));
  });
  assertNone(
    'read it in config.ts and pass the value on',
    readers.map(({ path }) => path),
  );
});

test('no error is swallowed by an empty catch', () => {
  const swallowing = FILES.filter(({ text }) =>
    /\bcatch\s*(\([^)]*\)\s*)?\{\s*\}|\.catch\(\(\w*\)\s*=>\s*\{\s*\}\)/.test(text),
  );
  assertNone(
    'say why it may be ignored, and count or log it',
    swallowing.map(({ path }) => path),
  );
});

test('names say what a file is about', () => {
  assertNone(
    'no utils, helpers, common or manager',
    FILES.map(({ path }) => path).filter((path) => FORBIDDEN_NAMES.test(path)),
  );
  const badCase = FILES.map(({ path }) => path).filter((path) => !/^[a-z0-9./-]+$/.test(path));
  assertNone('file names are kebab-case', badCase);
});

test('every service and package has its README, and every service its few files', () => {
  const folders = globSync(['packages/*/package.json', 'services/*/package.json']).map(dirname);
  const wanted = folders.flatMap((folder) => {
    const files = folder.startsWith('services/')
      ? ['README.md', 'src/main.ts', 'src/config.ts', 'src/app.ts']
      : ['README.md', 'src/index.ts'];
    return files.map((file) => join(folder, file));
  });
  assertNone(
    'missing',
    wanted.filter((file) => !existsSync(file)),
  );
});

test('versions are pinned, and the lockfile names no registry', () => {
  const loose = globSync(['package.json', '{packages,services,test}/*/package.json']).flatMap((file) => {
    const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(file, 'utf8'));
    const versions = Object.entries<string>({ ...dependencies, ...devDependencies });
    return versions
      .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
      .map(([name, version]) => `${file}: ${name} ${version}`);
  });
  assertNone('give the exact version', loose);
  assert.doesNotMatch(readFileSync('package-lock.json', 'utf8'), /"resolved": "https?:/);
});

/** Good enough for a search: a `//` inside a string would cut a line short, never add to it. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}
