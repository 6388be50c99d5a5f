import { Buffer } from 'node:buffer'; // the global of that name is a getter, and this is a hot path
import { StreamsError } from './errors.ts';
import type { Change } from './stores/store.ts';

/** Key and value of a record together; below the broker's default `message.max.bytes` with room for headers. */
export const RECORD_BYTES_MAX = 900 * 1024;
const KEY_LENGTH_SHOWN = 200;

/** UTF-8 makes up to three bytes of a UTF-16 unit: most records are measured by their length alone. */
export function fits(key: string, value: string | Buffer | null): boolean {
  if (value === null || (value.length + key.length) * 3 <= RECORD_BYTES_MAX) return true;
  return Buffer.byteLength(value) + Buffer.byteLength(key) <= RECORD_BYTES_MAX;
}

/** Throws `record-too-large`, which names store and key. */
export function checkChange(store: string, { key, value }: Change): void {
  if (fits(key, value)) return;
  throw new StreamsError(
    'record-too-large',
    `store ${store} has ${Buffer.byteLength(value ?? '')} bytes under key ${JSON.stringify(key.slice(0, KEY_LENGTH_SHOWN))}; its changelog takes ${RECORD_BYTES_MAX}. Keep less per key: a value is written whole at every change`,
  );
}
