// Every npm script starts here: `node scripts/run.mjs FILE [ARGUMENT...]`. Plain JavaScript for Node 20 and nothing
// installed, because in a fresh clone that is all there is. It installs what the lockfile says when that is not what is
// there, then runs FILE on the Node that came with it, and hands on arguments, terminal, signals and exit code.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
// Not `.bin/node` looked up by a shell: in `a && node b`, dash remembers where `node` was before the installation.
const NODE = join(ROOT, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
const STILL_INSTALLING_MS = 10_000;

const [file, ...args] = process.argv.slice(2);
if (file === undefined) {
  console.error('usage: node scripts/run.mjs FILE [ARGUMENT...] | --install-only');
  process.exit(2);
}
if (!isInstalled()) {
  const code = await install();
  if (code !== 0) process.exit(code);
}
// What runs for days is started by the shell that npm opened, in its own place (`exec`): this process would only wait.
if (file !== '--install-only') process.exitCode = await run(NODE, [join(ROOT, file), ...args]);

/**
 * Whether `node_modules` is what the lockfile describes. npm keeps a lockfile of what it installed in there; packages
 * that are optional may be absent (they are for other platforms), everything else must be the same, to the checksum.
 */
function isInstalled() {
  const installedFile = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(installedFile) || !existsSync(NODE)) return false;
  const wanted = packagesOf(join(ROOT, 'package-lock.json'));
  const installed = packagesOf(installedFile);
  for (const [path, { version, integrity, optional }] of wanted) {
    const there = installed.get(path);
    if (there === undefined ? !optional : there.version !== version || there.integrity !== integrity) return false;
  }
  for (const path of installed.keys()) if (!wanted.has(path)) return false;
  return true;
}

/** The packages under `node_modules` in a lockfile, links to workspaces among them. */
function packagesOf(lockfile) {
  const { packages } = JSON.parse(readFileSync(lockfile, 'utf8'));
  return new Map(Object.entries(packages).filter(([path]) => path.includes('node_modules/')));
}

async function install() {
  const count = packagesOf(join(ROOT, 'package-lock.json')).size;
  console.error(`installing ${count} npm packages as the lockfile says (once, about half a minute)`);
  const startedMs = Date.now();
  const progress = setInterval(() => {
    console.error(`still installing, ${Math.round((Date.now() - startedMs) / 1_000)} s`);
  }, STILL_INSTALLING_MS);
  // Warnings are left out: npm runs on this machine's Node, and would complain (EBADENGINE) about packages that will
  // run on the Node that it is just installing.
  const code = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], ['ignore', 2, 2]);
  clearInterval(progress);
  if (code !== 0)
    console.error('npm ci failed; its message is above. Check the network and the registry, then run again.');
  return code;
}

/** Runs a program to its end; resolves to its exit code, or 128 + signal number as a shell would say. */
function run(command, commandArgs, stdio = 'inherit') {
  const child = spawn(command, commandArgs, { cwd: ROOT, stdio, shell: process.platform === 'win32' });
  // A Ctrl-C in a terminal reaches the child by itself; a signal sent to this process alone has to be handed on.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(`${command} could not be run: ${error.message}`);
      resolve(127);
    });
    child.once('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}
