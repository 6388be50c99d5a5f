import Type, { type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

export type Check = (value: unknown) => boolean;

/** Names that passed are remembered, because the same few are in every record. Beyond this, they are matched again. */
export const NAMES_REMEMBERED_MAX = 4_096;

/**
 * The validator of a schema: exactly what the schema says, compiled by TypeBox, except for maps (objects of free names,
 * see `map` in fields.ts). For those the compiler's code makes three lists of the names and matches each twice; here
 * one loop does it. A property test holds the two against each other.
 */
export function compileCheck(schema: TSchema): Check {
  const validator = Compile(withFastMaps(schema)) as { Check: Check };
  return (value) => validator.Check(value);
}

/** The schema with every map in it replaced by a check of ours. */
function withFastMaps(schema: TSchema): TSchema {
  if (isMap(schema)) return Type.Refine(Type.Unsafe<unknown>({}), mapCheck(schema));
  const descriptors = Object.getOwnPropertyDescriptors(schema);
  for (const descriptor of Object.values(descriptors)) descriptor.value = replaced(descriptor.value);
  // Descriptors, because TypeBox marks what is optional by properties that are not enumerable.
  return Object.defineProperties({}, descriptors);
}

function replaced(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(replaced);
  return typeof value === 'object' && value !== null ? withFastMaps(value) : value;
}

interface MapSchema {
  readonly additionalProperties: TSchema;
  readonly propertyNames: { readonly pattern: string };
  readonly minProperties?: number;
  readonly maxProperties: number;
}

function isMap(schema: object): schema is MapSchema {
  return 'propertyNames' in schema && 'maxProperties' in schema && 'additionalProperties' in schema;
}

function mapCheck(schema: MapSchema): Check {
  const { minProperties = 0, maxProperties } = schema;
  const checkValue = compileCheck(schema.additionalProperties);
  const names = new RegExp(schema.propertyNames.pattern, 'u');
  const passed = new Set<string>();
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    let count = 0;
    for (const name in value) {
      count += 1;
      if (count > maxProperties || !checkValue((value as Record<string, unknown>)[name])) return false;
      if (passed.has(name)) continue;
      if (!names.test(name)) return false;
      if (passed.size < NAMES_REMEMBERED_MAX) passed.add(name);
    }
    return count >= minProperties;
  };
}
