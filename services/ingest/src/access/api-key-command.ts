// npm run api-key -- new|rotate ...    makes API keys and passwords of devices; see USAGE and the README of this service
import { chmod, chown, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { parseRfc3339 } from '@millrace/contracts';
import { IngestError } from '../errors.ts';
import { SCOPES } from '../event-kinds.ts';
import { type ApiKeyEntry, readApiKeys } from './api-keys.ts';
import { type DeviceEntry, readDeviceCredentials } from './device-credentials.ts';
import { addApiKey, addDevicePassword, type Made, rotateApiKey } from './new-credentials.ts';

const USAGE = `usage: npm run api-key -- new --name NAME --scopes SCOPE,... [--not-after TIME] [--file FILE]
       npm run api-key -- rotate --name NAME --file FILE [--overlap-hours N]
       npm run api-key -- new --device DEVICE_ID [--file FILE]
       npm run api-key -- rotate --device DEVICE_ID --file FILE

new      makes an API key, or a password of a device, and prints it: this once, because only its hash is kept.
         With --file the hash is added to that file, which a running ingest reads again; without, the entry is printed.
rotate   makes another one. The old keys of that name are good for --overlap-hours more (default 24), and those that
         have expired go; the old password of a device is good until its next rotation.

scopes: ${SCOPES.join(', ')}`;

const HOUR_MS = 3_600_000;
const OVERLAP_HOURS_MAX = 8_760;
const EXIT_UNUSABLE = 2;

/** What the command line asks for cannot be done; the message says why. */
class Unusable extends Error {}

try {
  await run(process.argv.slice(2));
} catch (error) {
  const isFlag = error instanceof TypeError && 'code' in error;
  if (!isFlag && !(error instanceof Unusable) && !(error instanceof IngestError)) throw error;
  console.error(isFlag ? `${error.message}\n\n${USAGE}` : error.message);
  process.exitCode = EXIT_UNUSABLE;
}

async function run(args: string[]): Promise<void> {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...{ name: text, device: text, file: text, scopes: text, 'not-after': text, 'overlap-hours': text },
      help: { type: 'boolean', default: false },
    },
  });
  const [action] = positionals;
  const isKnown =
    (action === 'new' || action === 'rotate') && (values.name === undefined) !== (values.device === undefined);
  if (values.help || !isKnown) {
    console.log(USAGE);
    if (!values.help) process.exitCode = EXIT_UNUSABLE;
    return;
  }
  if (action === 'rotate' && values.file === undefined) throw new Unusable(`rotate needs --file\n\n${USAGE}`);
  if (values.device !== undefined) await makePassword(values.device, values.file, action === 'rotate');
  else await makeKey(action === 'rotate', { ...values, name: values.name ?? '' });
}

interface KeyFlags {
  readonly name: string;
  readonly file?: string;
  readonly scopes?: string;
  readonly 'not-after'?: string;
  readonly 'overlap-hours'?: string;
}

async function makeKey(rotate: boolean, flags: KeyFlags): Promise<void> {
  const { name, file } = flags;
  const nowMs = Date.now();
  const check = (path: string) => readApiKeys({ file: path, rateLimit: undefined, nowMs: Date.now });
  const entries = (await entriesOf(file, 'keys', check)) as ApiKeyEntry[];
  const made = rotate
    ? rotateApiKey(entries, { name, nowMs, endMs: nowMs + overlapMs(flags['overlap-hours']) })
    : addApiKey(entries, { name, scopes: scopesOf(flags.scopes), notAfter: timeOf(flags['not-after']) });
  if (made === undefined) throw new Unusable(`${file} has no key named ${name}; make one with new`);
  await keep(made, { file, member: 'keys', check });
}

async function makePassword(deviceId: string, file: string | undefined, rotate: boolean): Promise<void> {
  const entries = (await entriesOf(file, 'devices', readDeviceCredentials)) as DeviceEntry[];
  const isThere = entries.some((entry) => entry.device_id === deviceId);
  if (rotate && !isThere) throw new Unusable(`${file} has no device ${deviceId}; make it with new`);
  if (!rotate && isThere) throw new Unusable(`${file} has the device ${deviceId} already; use rotate`);
  await keep(addDevicePassword(entries, deviceId), { file, member: 'devices', check: readDeviceCredentials });
}

type Check = (path: string) => Promise<unknown>;
type Member = 'keys' | 'devices';

/** None when there is no such file yet. */
async function entriesOf(file: string | undefined, member: Member, check: Check): Promise<unknown[]> {
  if (file === undefined || (await statOf(file)) === undefined) return [];
  await check(file);
  return JSON.parse(await readFile(file, 'utf8'))[member];
}

/** Exchanges the file by a rename, so that nobody reads half of it, after the new one was read as ingest reads it. */
async function keep<Entry>(
  { secret, entries }: Made<Entry>,
  { file, member, check }: { readonly file: string | undefined; readonly member: Member; readonly check: Check },
): Promise<void> {
  if (file === undefined) {
    console.log(`${secret}\n\nFor the file of ${member}:\n${JSON.stringify(entries.at(-1))}`);
    return;
  }
  const before = await statOf(file);
  const target = before === undefined ? file : await realpath(file);
  const draft = `${target}.${process.pid}.new`;
  try {
    await writeFile(draft, `${JSON.stringify({ [member]: entries }, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
    await check(draft);
    if (before !== undefined) {
      await chmod(draft, before.mode);
      if (before.uid !== process.getuid?.()) await chown(draft, before.uid, before.gid);
    }
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  console.log(secret);
  console.error(`The line above is shown this once; its hash is in ${file}.`);
}

async function statOf(file: string) {
  try {
    return await stat(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function scopesOf(text: string | undefined): (typeof SCOPES)[number][] {
  const scopes = (text ?? '').split(',').map((word) => SCOPES.find((scope) => scope === word));
  if (scopes.every((scope) => scope !== undefined)) return scopes;
  throw new Unusable(`--scopes takes some of ${SCOPES.join(',')}, with commas between them`);
}

function timeOf(text: string | undefined): string | undefined {
  if (text === undefined || parseRfc3339(text) !== undefined) return text;
  throw new Unusable(`--not-after takes an RFC 3339 time such as 2026-12-31T23:59:59Z, not "${text}"`);
}

function overlapMs(text = '24'): number {
  const hours = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (hours <= OVERLAP_HOURS_MAX) return hours * HOUR_MS;
  throw new Unusable(`--overlap-hours takes a whole number from 0 to ${OVERLAP_HOURS_MAX}, not "${text}"`);
}
