import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ID_ALPHABET, ID_LENGTH_MAX } from '@millrace/contracts';
import Type, { type Static, type TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { IngestError } from './errors.ts';
import { SCOPES, type Scope } from './event-kinds.ts';

export interface ApiKey {
  /** For logs and metrics; the key itself is not known. */
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
}

/** `undefined` for a key that is not known. */
export type FindApiKey = (presented: string) => ApiKey | undefined;
export type CheckDevice = (deviceId: string, password: string) => boolean;

/**
 * API keys from a JSON file: `{ "keys": [{ "name", "sha256", "scopes" }] }`, where `sha256` is the SHA-256 of the key in
 * hexadecimal. Keys are made by a machine with at least 128 random bits, which no dictionary holds, so a plain hash
 * keeps them, and looking a hash up in a table tells nothing through its timing.
 *
 * @throws {IngestError} `credentials-file`
 */
export async function loadApiKeys(file: string): Promise<FindApiKey> {
  const { keys } = await readCredentials(file, 'API_KEYS_FILE', ApiKeysFile);
  const keyByHash = new Map<string, ApiKey>(
    keys.map(({ name, sha256: hash, scopes }) => [hash, { name, scopes: new Set(scopes) }]),
  );
  return (presented) => keyByHash.get(sha256(presented));
}

/**
 * Device credentials from a JSON file: `{ "devices": [{ "device_id", "sha256" }] }`, hashes as for API keys.
 *
 * @throws {IngestError} `credentials-file`
 */
export async function loadDeviceCredentials(file: string): Promise<CheckDevice> {
  const { devices } = await readCredentials(file, 'DEVICE_CREDENTIALS_FILE', DeviceCredentialsFile);
  const hashById = new Map(devices.map(({ device_id, sha256: hash }) => [device_id, hash]));
  return (deviceId, password) => hashById.get(deviceId) === sha256(password);
}

/** On a laptop a device's password is its id; only a listener on loopback may use this. */
export const deviceIdIsPassword: CheckDevice = (deviceId, password) =>
  DEVICE_ID.test(deviceId) && deviceId === password;

const DEVICE_ID_PATTERN = `^[${ID_ALPHABET}]{1,${ID_LENGTH_MAX}}$`;
const DEVICE_ID = new RegExp(DEVICE_ID_PATTERN);
const hash = () => Type.String({ pattern: '^[0-9a-f]{64}$' });

const ApiKeysFile = Type.Object({
  keys: Type.Array(
    Type.Object({
      name: Type.String({ minLength: 1, maxLength: 64 }),
      sha256: hash(),
      scopes: Type.Array(Type.Enum(SCOPES), { minItems: 1 }),
    }),
    { minItems: 1 },
  ),
});

const DeviceCredentialsFile = Type.Object({
  devices: Type.Array(Type.Object({ device_id: Type.String({ pattern: DEVICE_ID_PATTERN }), sha256: hash() }), {
    minItems: 1,
  }),
});

async function readCredentials<S extends TSchema>(file: string, setting: string, schema: S): Promise<Static<S>> {
  const fail = (problem: string, cause?: unknown) =>
    new IngestError('credentials-file', `${setting}: ${file} ${problem}.`, { cause });
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw fail(cause instanceof SyntaxError ? 'is not JSON' : 'cannot be read', cause);
  }
  if (Value.Check(schema, content)) return content;
  // The path of the fault only: the value beside it may be a secret.
  const [fault] = Value.Errors(schema, content);
  throw fail(`is not right at ${fault?.instancePath || 'its top'}: ${fault?.message ?? 'see the README for its form'}`);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
