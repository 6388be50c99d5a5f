import { execFile } from 'node:child_process';
import { access, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const VERSION = '4.32.5';
/** Goes with `node_modules`, and is made again then. */
const FOLDER = fileURLToPath(new URL(`../../../node_modules/.cache/schemathesis-${VERSION}`, import.meta.url));
const INSTALL_MS_MAX = 180_000;

/**
 * The program `st` of schemathesis (https://pypi.org/project/schemathesis, MIT), in an environment of its own; the first
 * time it is fetched, which takes half a minute.
 */
export async function installSchemathesis(say: (line: string) => void): Promise<string> {
  const program = join(FOLDER, 'bin', 'st');
  const complete = join(FOLDER, 'complete');
  if (await exists(complete)) return program;
  say(`fetching schemathesis ${VERSION} (once)`);
  await rm(FOLDER, { recursive: true, force: true });
  const run = promisify(execFile);
  try {
    await run('python3', ['-m', 'venv', FOLDER], { timeout: INSTALL_MS_MAX });
  } catch (cause) {
    const remedy = 'Install it: apt-get install python3-venv (Debian, Ubuntu), or brew install python (macOS).';
    throw new Error(`Fuzzing needs Python 3.10 or later with venv, to run schemathesis. ${remedy}`, { cause });
  }
  const wanted = ['--quiet', '--disable-pip-version-check', `schemathesis==${VERSION}`];
  await run(join(FOLDER, 'bin', 'pip'), ['install', ...wanted], { timeout: INSTALL_MS_MAX });
  await writeFile(complete, '');
  return program;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    // Whatever the reason, it is made anew.
    return false;
  }
}
