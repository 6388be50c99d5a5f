import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CACHE_DIR } from '../config.ts';
import { LocalStackError } from '../error.ts';

const POM_FILE = fileURLToPath(new URL('../../kafka/pom.xml', import.meta.url));
/** 46 jars, 43 MB: 6 s on a fast line; this bounds a slow one. */
const DOWNLOAD_MS_MAX = 600_000;
/** Written last, so that a folder with it is whole. */
const COMPLETE_FILE = 'pom.xml';

/** Where the jars of the pinned Apache Kafka are, and whether they still have to be fetched. */
export async function locateKafkaJars(): Promise<{ dir: string; version: string; present: boolean }> {
  const pom = await readFile(POM_FILE, 'utf8');
  const version = /<kafka\.version>([^<]+)</.exec(pom)?.[1];
  if (version === undefined) throw new Error(`${POM_FILE} names no kafka.version`);
  const dir = join(CACHE_DIR, `kafka-${version}`);
  const stored = existsSync(join(dir, COMPLETE_FILE)) ? await readFile(join(dir, COMPLETE_FILE), 'utf8') : '';
  return { dir, version, present: stored === pom };
}

/**
 * Makes the jars present, by Maven, which checks the checksum of each against the repository's (`-C`: a mismatch fails).
 * They arrive in a folder beside the final one and are renamed into place, so a run that is interrupted leaves nothing
 * half done and two runs at once do not meet.
 *
 * @returns the folder of the jars
 * @throws LocalStackError `maven-missing`, `download-failed`
 */
export async function fetchKafkaJars(onProgress: (line: string) => void = () => {}): Promise<string> {
  const { dir, version, present } = await locateKafkaJars();
  if (present) return dir;
  onProgress(`fetching Apache Kafka ${version} with Maven (46 jars, 43 MB, once)`);
  await mkdir(CACHE_DIR, { recursive: true });
  const staging = await mkdtemp(join(CACHE_DIR, `kafka-${version}-part-`));
  try {
    await runMaven(staging);
    await writeFile(join(staging, COMPLETE_FILE), await readFile(POM_FILE));
    await replaceFolder(staging, dir);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return dir;
}

function runMaven(outputDir: string): Promise<void> {
  const args = ['--batch-mode', '--quiet', '--strict-checksums', '--file', POM_FILE];
  args.push('dependency:copy-dependencies', `-DoutputDirectory=${outputDir}`, '-DincludeScope=runtime');
  // The repository's own folder is read-only to this step: Maven runs beside the jars.
  const child = spawn('mvn', args, {
    cwd: dirname(outputDir),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: DOWNLOAD_MS_MAX,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4_000);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', (cause: NodeJS.ErrnoException) => {
      const missing = cause.code === 'ENOENT';
      reject(
        missing
          ? new LocalStackError('maven-missing', MAVEN_MISSING, { cause })
          : new LocalStackError('download-failed', `Maven could not be run: ${cause.message}`, { cause }),
      );
    });
    child.once('close', (code, signal) => {
      if (code === 0) return resolve();
      const reason =
        signal === null ? `exit code ${code}` : `ended by ${signal} (after ${DOWNLOAD_MS_MAX / 1_000} s it is stopped)`;
      reject(
        new LocalStackError(
          'download-failed',
          `Maven could not fetch Apache Kafka (${reason}). Check the network, or the mirror in ~/.m2/settings.xml, and run again.\n${output.trim()}`,
          { retriable: true },
        ),
      );
    });
  });
}

export const MAVEN_MISSING =
  'Maven (mvn) was not found; it fetches Apache Kafka the first time. Install it (Debian, Ubuntu: apt-get install maven; macOS: brew install maven), or set KAFKA_BROKERS to use a Kafka that runs elsewhere.';

/** Another run may have put the same version there in the meantime; then its copy is as good as ours. */
async function replaceFolder(staging: string, dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true });
  try {
    await rename(staging, dir);
  } catch (error) {
    const taken = ['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '');
    if (!(taken && existsSync(join(dir, COMPLETE_FILE)))) throw error;
  }
}
