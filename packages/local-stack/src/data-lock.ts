import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { link, mkdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LocalStackError } from './error.ts';

const LOCK_FILE = 'lock.json';
/** A run that was killed while it removed a stale lock has left its door closed; nobody needs this long. */
const TAKEOVER_MS_MAX = 10_000;
const TAKEOVER_WAIT_MS = 20;

export interface DataLock {
  /** Whether a run that was killed had left its lock: then its parts may still be on their way out. */
  readonly wasStale: boolean;
  release(): void;
}

interface Holder {
  readonly pid: number;
  /** Tells the process from a later one with the same number; empty where the system does not say. */
  readonly startedAt: string;
}

/**
 * Takes a data folder for this process. Kafka and ClickHouse would each refuse to share their own folder; this says so
 * before anything starts, and by whom it is used. A lock whose process is gone is taken over.
 *
 * @throws LocalStackError `data-folder-in-use`
 */
export async function lockDataFolder(dataDir: string): Promise<DataLock> {
  await mkdir(dataDir, { recursive: true });
  const file = join(dataDir, LOCK_FILE);
  let wasStale = false;
  while (true) {
    if (await createWhole(file, { pid: process.pid, startedAt: processStart(process.pid) })) {
      return { wasStale, release: () => unlinkSync(file) };
    }
    const other = await readHolder(file);
    if (other !== undefined && isAlive(other)) throw inUse(dataDir, other);
    wasStale = true;
    await removeStale(file);
  }
}

/** @throws LocalStackError `data-folder-in-use` when a run that is alive holds the folder */
export async function assertDataFolderUnused(dataDir: string): Promise<void> {
  const holder = await readHolder(join(dataDir, LOCK_FILE));
  if (holder !== undefined && isAlive(holder)) throw inUse(dataDir, holder);
}

async function readHolder(file: string): Promise<Holder | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const holder: unknown = JSON.parse(text);
    const { pid, startedAt } = Object(holder);
    if (Number.isInteger(pid) && typeof startedAt === 'string') return { pid, startedAt };
  } catch (error) {
    // Half written when its process was killed: nobody holds it.
    if (!(error instanceof SyntaxError)) throw error;
  }
  return undefined;
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return processStart(holder.pid) === holder.startedAt;
}

/** Field 22 of /proc/PID/stat, the start in clock ticks after boot. The name before it may hold blanks and brackets. */
function processStart(pid: number): string {
  const stat = `/proc/${pid}/stat`;
  if (!existsSync(stat)) return '';
  const text = readFileSync(stat, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** Creates the file with its content in one step, so that nobody reads half of it. False when there is one already. */
async function createWhole(file: string, holder: Holder): Promise<boolean> {
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify(holder));
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    await rm(draft);
  }
}

/**
 * Removes a lock that nobody holds. One at a time, behind a door (a folder, which only one can make), and after another
 * look: of two runs that both found it stale, the second would otherwise remove the new lock of the first.
 */
async function removeStale(file: string): Promise<void> {
  const door = `${file}.takeover`;
  try {
    await mkdir(door);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    await sleep(TAKEOVER_WAIT_MS);
    const closedAtMs = await stat(door).then(
      ({ mtimeMs }) => mtimeMs,
      () => Date.now(),
    );
    if (Date.now() - closedAtMs > TAKEOVER_MS_MAX) await rm(door, { recursive: true, force: true });
    return;
  }
  try {
    const holder = await readHolder(file);
    if (holder === undefined || !isAlive(holder)) await rm(file, { force: true });
  } finally {
    await rmdir(door);
  }
}

function inUse(dataDir: string, holder: Holder): LocalStackError {
  return new LocalStackError(
    'data-folder-in-use',
    `The data folder ${dataDir} is in use by another run (process ${holder.pid}). Stop that one, or give this one a folder of its own with --data DIR.`,
  );
}
