import { randomBytes } from 'node:crypto';
import type { Scope } from '../event-kinds.ts';
import type { ApiKeyEntry } from './api-keys.ts';
import { sha256 } from './credentials-file.ts';
import type { DeviceEntry } from './device-credentials.ts';

export interface Made<Entry> {
  /** To be shown once: only its hash is kept. */
  readonly secret: string;
  readonly entries: readonly Entry[];
}

/** `entries` with a key more. */
export function addApiKey(
  entries: readonly ApiKeyEntry[],
  key: { readonly name: string; readonly scopes: readonly Scope[]; readonly notAfter: string | undefined },
): Made<ApiKeyEntry> {
  const secret = newSecret('mk_');
  const entry = {
    name: key.name,
    sha256: sha256(secret),
    scopes: [...key.scopes],
    ...(key.notAfter !== undefined && { not_after: key.notAfter }),
  };
  return { secret, entries: [...entries, entry] };
}

/**
 * `entries` with another key of the newest one's scopes and limit. The ones before end at `endMs` at the latest, and
 * those that have ended by `nowMs` are gone. `undefined` when there is no key of that name.
 */
export function rotateApiKey(
  entries: readonly ApiKeyEntry[],
  { name, nowMs, endMs }: { readonly name: string; readonly nowMs: number; readonly endMs: number },
): Made<ApiKeyEntry> | undefined {
  const newest = entries.findLast((entry) => entry.name === name && entry.sha256 !== undefined);
  if (newest === undefined) return undefined;
  const secret = newSecret('mk_');
  const { not_after: _, ...lasting } = newest;
  const kept = entries.flatMap((entry): ApiKeyEntry[] => {
    if (entry.name !== name || entry.sha256 === undefined) return [entry];
    const ownEndMs = entry.not_after === undefined ? Number.POSITIVE_INFINITY : Date.parse(entry.not_after);
    if (ownEndMs <= nowMs) return [];
    return [{ ...entry, not_after: new Date(Math.min(ownEndMs, endMs)).toISOString() }];
  });
  return { secret, entries: [...kept, { ...lasting, sha256: sha256(secret) }] };
}

/** `entries` with a password more for the device, beside its newest one if it has any. */
export function addDevicePassword(entries: readonly DeviceEntry[], deviceId: string): Made<DeviceEntry> {
  const secret = newSecret('md_');
  const isPassword = (entry: DeviceEntry) => entry.device_id === deviceId && entry.sha256 !== undefined;
  const newest = entries.findLast(isPassword);
  const kept = entries.filter((entry) => !isPassword(entry) || entry === newest);
  return { secret, entries: [...kept, { device_id: deviceId, sha256: sha256(secret) }] };
}

const SECRET_BYTES = 32;

/** The prefix tells people, and scanners for leaked secrets, what they have found. */
function newSecret(prefix: string): string {
  return prefix + randomBytes(SECRET_BYTES).toString('base64url');
}
