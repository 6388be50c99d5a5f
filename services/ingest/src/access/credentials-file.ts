import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import Type, { type Static, type TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { IngestError } from '../errors.ts';

/** A credentials file and the setting that names it, for messages. */
export interface CredentialsSource {
  readonly setting: 'API_KEYS_FILE' | 'DEVICE_CREDENTIALS_FILE';
  readonly file: string;
}

/** SHA-256 in hexadecimal. */
export const hashSchema = () => Type.String({ pattern: '^[0-9a-f]{64}$' });

/**
 * What is in a file of credentials, when it has the form that `schema` says. Messages name the place of a fault and
 * never the value there, which may be a secret.
 *
 * @throws {IngestError} `credentials-file`
 */
export async function readCredentials<S extends TSchema>(source: CredentialsSource, schema: S): Promise<Static<S>> {
  let text: string;
  try {
    text = await readFile(source.file, 'utf8');
  } catch (cause) {
    throw credentialsFault(source, 'cannot be read', cause);
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    // Without the parser's message: it quotes the file.
    const place = error instanceof SyntaxError ? /line \d+ column \d+/.exec(error.message)?.[0] : undefined;
    throw credentialsFault(source, place === undefined ? 'is not JSON' : `is not JSON at ${place}`);
  }
  if (Value.Check(schema, content)) return content;
  const [fault] = Value.Errors(schema, content);
  const message = fault?.message ?? 'see the README for its form';
  throw credentialsFault(source, `is not right at ${fault?.instancePath || 'its top'}: ${message}`);
}

export function credentialsFault({ setting, file }: CredentialsSource, problem: string, cause?: unknown): IngestError {
  return new IngestError('credentials-file', `${setting}: ${file} ${problem}.`, { cause });
}

/**
 * Secrets are made by a machine with at least 128 random bits, which no dictionary holds, so a plain hash keeps them, and
 * looking a hash up in a table tells nothing through its timing.
 */
export function sha256(text: string): string {
  return hash('sha256', text);
}
