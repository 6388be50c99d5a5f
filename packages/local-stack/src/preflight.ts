import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { LocalStackError } from './error.ts';
import { MAVEN_MISSING } from './kafka/jars.ts';
import { isPortFree } from './ports.ts';

const JAVA_VERSION_MIN = 17;
/** Kafka's segments and ClickHouse's parts of a first hour at 500 payments/s, with room to merge. */
const DISK_BYTES_MIN = 2 * 1024 ** 3;
const PORT_POLL_MS = 250;

/** @throws LocalStackError `java-missing`, `java-too-old` */
export async function checkJava(java: string): Promise<void> {
  const remedy = `Install a JDK or JRE ${JAVA_VERSION_MIN} or later (Debian, Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17) and put it on the PATH or in JAVA_HOME, or set KAFKA_BROKERS to use a Kafka that runs elsewhere.`;
  let output: string;
  try {
    // It writes to standard error, as every Java has always done.
    output = (await promisify(execFile)(java, ['-version'])).stderr;
  } catch (cause) {
    throw new LocalStackError('java-missing', `Kafka needs Java, and "${java}" could not be run. ${remedy}`, { cause });
  }
  const version = javaVersion(output);
  if (version === undefined || version >= JAVA_VERSION_MIN) return;
  throw new LocalStackError(
    'java-too-old',
    `Kafka needs Java ${JAVA_VERSION_MIN} or later, and "${java}" is version ${version}. ${remedy}`,
  );
}

/** The feature release in the output of `java -version`: 17 from "17.0.15", 8 from "1.8.0_402"; undefined when unreadable. */
export function javaVersion(output: string): number | undefined {
  const match = /version "(?:1\.)?(\d+)/.exec(output);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** @throws LocalStackError `maven-missing` */
export async function checkMaven(maven = 'mvn'): Promise<void> {
  try {
    await promisify(execFile)(maven, ['--version']);
  } catch (cause) {
    throw new LocalStackError('maven-missing', MAVEN_MISSING, { cause });
  }
}

/** @throws LocalStackError `disk-too-small` */
export async function checkDisk(dataDir: string, bytesMin = DISK_BYTES_MIN): Promise<void> {
  const { bavail, bsize } = await statfs(dataDir);
  const free = bavail * bsize;
  if (free >= bytesMin) return;
  throw new LocalStackError(
    'disk-too-small',
    `Only ${mebibytes(free)} MiB are free where ${dataDir} is, and ${mebibytes(bytesMin)} MiB are needed. Free some space, forget old data with \`npm run reset\`, or keep the data elsewhere with --data DIR.`,
  );
}

/**
 * @param ports name and number of every port that is about to be listened on
 * @param waitMsMax how long a taken port may take to become free: more than none only when parts of a killed run may
 *   still be stopping
 * @throws LocalStackError `port-taken`, naming all that are taken
 */
export async function checkPorts(ports: Readonly<Record<string, number>>, waitMsMax = 0): Promise<void> {
  const deadlineMs = performance.now() + waitMsMax;
  let taken = await takenPorts(ports);
  while (taken.length > 0 && performance.now() < deadlineMs) {
    await delay(PORT_POLL_MS);
    taken = await takenPorts(ports);
  }
  if (taken.length === 0) return;
  const list = taken.map(([name, port]) => `port ${port} (${name})`).join(', ');
  throw new LocalStackError(
    'port-taken',
    `Taken by another program: ${list}. Stop it, or move all ports of this stack with --port-base N, for example --port-base 21000.`,
  );
}

async function takenPorts(ports: Readonly<Record<string, number>>): Promise<[string, number][]> {
  const checked = await Promise.all(
    Object.entries(ports).map(async (entry) => ((await isPortFree(entry[1])) ? [] : [entry])),
  );
  return checked.flat();
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / 1024 ** 2);
}
