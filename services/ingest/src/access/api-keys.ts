import { parseRfc3339 } from '@millrace/contracts';
import Type, { type Static } from 'typebox';
import { SCOPES, type Scope } from '../event-kinds.ts';
import { type CredentialsSource, credentialsFault, hashSchema, readCredentials, sha256 } from './credentials-file.ts';
import { type RateLimit, TokenBucket } from './token-bucket.ts';

export interface ApiKey {
  /** For logs; the key itself is not known. */
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Epoch milliseconds; the key is not known from then on. */
  readonly notAfterMs: number;
  /** All keys of one name draw from one bucket. Not given: no limit. */
  readonly bucket: TokenBucket | undefined;
}

/** What a client certificate says of its holder, after its issuer was checked. */
export interface ClientCertificate {
  /** SHA-256 of the certificate (DER), in hexadecimal. */
  readonly sha256: string;
  readonly commonName: string | undefined;
}

/** Who may do what. Every answer is `undefined` for what is not known, or not known any more. */
export interface ApiKeys {
  find(presented: string): ApiKey | undefined;
  findCertificate(certificate: ClientCertificate): ApiKey | undefined;
}

/** The content of a file of keys, by what a caller presents. */
export interface ApiKeyTable {
  readonly byHash: ReadonlyMap<string, ApiKey>;
  readonly byCertificateHash: ReadonlyMap<string, ApiKey>;
  readonly byCommonName: ReadonlyMap<string, ApiKey>;
  readonly bucketByName: ReadonlyMap<string, TokenBucket>;
}

export interface ApiKeyOptions {
  readonly file: string;
  /** For keys that name none of their own; `undefined` for no limit. */
  readonly rateLimit: RateLimit | undefined;
  readonly nowMs: () => number;
}

/** `table` is asked at every request, so that it may be exchanged for a newer one. */
export function createApiKeys(table: () => ApiKeyTable, nowMs: () => number): ApiKeys {
  const valid = (key: ApiKey | undefined) => (key !== undefined && nowMs() < key.notAfterMs ? key : undefined);
  return {
    find: (presented) => valid(table().byHash.get(sha256(presented))),
    findCertificate: ({ sha256: hash, commonName }) => {
      const { byCertificateHash, byCommonName } = table();
      const key = byCertificateHash.get(hash) ?? (commonName === undefined ? undefined : byCommonName.get(commonName));
      return valid(key);
    },
  };
}

/**
 * API keys from a JSON file: `{ "keys": [{ "name", "sha256", "scopes" }] }`, where `sha256` is the SHA-256 of the key in
 * hexadecimal. The README has the other members. Buckets of `previous` go on where they are, so that a change of the
 * file gives nobody a fresh allowance.
 *
 * @throws {IngestError} `credentials-file`
 */
export async function readApiKeys(options: ApiKeyOptions, previous?: ApiKeyTable): Promise<ApiKeyTable> {
  const source: CredentialsSource = { setting: 'API_KEYS_FILE', file: options.file };
  const { keys } = await readCredentials(source, ApiKeysFile);
  const tables = {
    sha256: new Map<string, ApiKey>(),
    certificate_sha256: new Map<string, ApiKey>(),
    certificate_cn: new Map<string, ApiKey>(),
  };
  const bucketByName = new Map<string, TokenBucket>();
  const limitByName = new Map<string, RateLimit | undefined>();

  for (const [index, entry] of keys.entries()) {
    const fail = (problem: string) => credentialsFault(source, `is not right at /keys/${index}: ${problem}`);
    const [identity, ...others] = IDENTITIES.filter((name) => entry[name] !== undefined);
    if (identity === undefined || others.length > 0) {
      throw fail(`it needs exactly one of ${IDENTITIES.join(', ')}`);
    }
    const notAfterMs = entry.not_after === undefined ? Number.POSITIVE_INFINITY : parseRfc3339(entry.not_after);
    if (notAfterMs === undefined) throw fail('not_after must be RFC 3339, such as 2026-12-31T23:59:59Z');
    const limit = limitOf(entry, options.rateLimit);
    if (limitByName.has(entry.name) && !sameLimit(limitByName.get(entry.name), limit)) {
      throw fail('an entry before it has the same name and another rate_limit; they share one');
    }
    limitByName.set(entry.name, limit);
    if (limit !== undefined && !bucketByName.has(entry.name)) {
      const before = previous?.bucketByName.get(entry.name);
      bucketByName.set(entry.name, before?.withLimit(limit) ?? new TokenBucket(limit, options.nowMs()));
    }
    const presented = entry[identity] ?? '';
    if (tables[identity].has(presented)) throw fail(`an entry before it has the same ${identity}`);
    const { name } = entry;
    const key: ApiKey = { name, scopes: new Set(entry.scopes), notAfterMs, bucket: bucketByName.get(name) };
    tables[identity].set(presented, key);
  }
  return {
    byHash: tables.sha256,
    byCertificateHash: tables.certificate_sha256,
    byCommonName: tables.certificate_cn,
    bucketByName,
  };
}

const RATE_MAX = 1_000_000;
const IDENTITIES = ['sha256', 'certificate_sha256', 'certificate_cn'] as const;

const entrySchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64 }),
    sha256: Type.Optional(hashSchema()),
    certificate_sha256: Type.Optional(hashSchema()),
    certificate_cn: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    scopes: Type.Array(Type.Enum(SCOPES), { minItems: 1 }),
    not_after: Type.Optional(Type.String()),
    rate_limit: Type.Optional(
      Type.Object(
        {
          events_per_second: Type.Integer({ minimum: 0, maximum: RATE_MAX }),
          burst_events: Type.Optional(Type.Integer({ minimum: 1, maximum: RATE_MAX })),
        },
        { additionalProperties: false },
      ),
    ),
  },
  // A `not_after` that is misspelt would be none.
  { additionalProperties: false },
);

const ApiKeysFile = Type.Object({ keys: Type.Array(entrySchema, { minItems: 1 }) });

/** An entry of the file, for the command that writes one. */
export type ApiKeyEntry = Static<typeof entrySchema>;

function limitOf({ rate_limit: own }: ApiKeyEntry, byDefault: RateLimit | undefined): RateLimit | undefined {
  if (own === undefined) return byDefault;
  const { events_per_second: eventsPerSecond, burst_events: burstEvents = eventsPerSecond } = own;
  return eventsPerSecond === 0 ? undefined : { eventsPerSecond, burstEvents };
}

function sameLimit(one: RateLimit | undefined, other: RateLimit | undefined): boolean {
  return one?.eventsPerSecond === other?.eventsPerSecond && one?.burstEvents === other?.burstEvents;
}
