import type { Static, TSchema } from 'typebox';
import { Errors } from 'typebox/value';
import { type Check, compileCheck } from './compile.ts';
import { shownName } from './echo.ts';
import { ContractError } from './errors.ts';

/** Reads and writes the values of one schema as UTF-8 JSON. */
export interface Codec<T> {
  /**
   * The value in the bytes of a record.
   * @throws {ContractError} when they are not UTF-8, not JSON, or not what the schema says: a poison record.
   */
  decode(value: Uint8Array): T;
  /** JSON with the keys in the order in which the object has them; undefined fields are left out. */
  encode(value: T): string;
  /** Whether a value satisfies the schema. */
  check(value: unknown): value is T;
}

/**
 * A codec for `schema`. The validator is compiled at the first use, so that a process pays only for what it reads.
 *
 * Fields that the schema does not know are let through: a newer writer may add one while older readers still run.
 */
export function createCodec<S extends TSchema>(schemaName: string, schema: S): Codec<Static<S>> {
  type T = Static<S>;
  let compiled: Check | undefined;
  const check = (value: unknown): value is T => {
    compiled ??= compileCheck(schema);
    return compiled(value);
  };
  return {
    check,
    encode: (value) => JSON.stringify(value),
    decode(bytes) {
      const value = parseJson(bytes, schemaName);
      try {
        if (check(value)) return value;
      } catch (cause) {
        // A recursive schema (conditions of a rule) follows the value; one nested without end exhausts the stack.
        if (!(cause instanceof RangeError)) throw cause;
        throw new ContractError('schema', '', `the ${schemaName} is nested too deeply`, { cause });
      }
      throw explain(schemaName, schema, value);
    },
  };
}

/** `fatal`: bytes that are not UTF-8 are an error here, and not silently another text. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function parseJson(bytes: Uint8Array, schemaName: string): unknown {
  if (bytes.length === 0) throw new ContractError('empty', '', `the ${schemaName} has an empty value`);
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw new ContractError('malformed-utf8', '', `the ${schemaName} is not UTF-8`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch {
    // The engine's message quotes the text, which may hold anything; it is not passed on.
    throw new ContractError('malformed-json', '', `the ${schemaName} is not JSON`);
  }
}

/** Says what is wrong, naming the field and never its value. */
function explain(schemaName: string, schema: TSchema, value: unknown): ContractError {
  const [error] = Errors(schema, value);
  if (error === undefined) return new ContractError('schema', '', `the ${schemaName} does not satisfy its schema`);
  const missing = error.keyword === 'required' ? error.params.requiredProperties[0] : undefined;
  const path = [...error.instancePath.split('/').slice(1), ...(missing === undefined ? [] : [missing])];
  const field = path.map(shownName).join('.');
  return new ContractError('schema', field, `${field === '' ? schemaName : field}: ${error.message}`);
}
