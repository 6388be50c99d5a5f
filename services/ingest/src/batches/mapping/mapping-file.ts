import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';
import { EVENT_KINDS } from '../../event-kinds.ts';

/** A mapping as JSON text, in bytes. */
export const MAPPING_BYTES_MAX = 64 * 1024;
const FIELDS_MAX = 128;
const VALUES_MAX = 1_000;
const NAME_LENGTH_MAX = 256;
const TEXT_LENGTH_MAX = 1_024;
/** Events that one row may become. */
const EVENTS_MAX = 4;
const FAULTS_MAX = 50;

const name = (description: string) => Type.String({ minLength: 1, maxLength: NAME_LENGTH_MAX, description });
const scalar = (description: string) =>
  Type.Union([Type.String({ maxLength: TEXT_LENGTH_MAX }), Type.Number(), Type.Boolean()], { description });
const closed = { additionalProperties: false };
const fieldNames = { maxProperties: FIELDS_MAX };

/** Where the value of a field comes from, and how it is written there. A text alone is the name of a column. */
const FieldRule = Type.Object(
  {
    column: Type.Optional(name('The column; of NDJSON a path such as `card.id`.')),
    constant: Type.Optional(scalar('The same for every row.')),
    template: Type.Optional(
      Type.String({ maxLength: TEXT_LENGTH_MAX, description: 'Text with columns in it: `shop-{STORE}-{TILL}`.' }),
    ),
    values: Type.Optional(
      Type.Record(Type.String({ maxLength: TEXT_LENGTH_MAX }), scalar('What the value becomes.'), {
        maxProperties: VALUES_MAX,
        description: 'Values of the file and what they become; another one is a fault, unless there is a default.',
      }),
    ),
    default: Type.Optional(scalar('Where the column is empty, or its value is not in `values`.')),
    time: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description: '`iso` (the default), `epoch-s`, `epoch-ms`, `epoch-us`, `epoch-ns`, or `DD.MM.YYYY HH:mm:ss`.',
      }),
    ),
    zone: Type.Optional(name('Time zone of times that do not name one: `Europe/Lisbon`. Default: UTC.')),
    plus_ms: Type.Optional(Type.Integer({ description: 'Milliseconds that are added to a time.' })),
    decimal: Type.Optional(Type.Enum(['.', ','], { description: 'What stands before the fraction of a number.' })),
    group: Type.Optional(Type.String({ minLength: 1, maxLength: 1, description: 'What stands between thousands.' })),
    minor_digits: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 6, description: 'The number counts minor units: 2 makes 12.50 of 1250.' }),
    ),
    decimals: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 6, description: 'Noise of doubles behind so many digits is rounded away.' }),
    ),
    type: Type.Optional(
      Type.Enum(['text', 'number', 'integer', 'boolean'], { description: 'Default: what the field has.' }),
    ),
  },
  closed,
);
export type FieldRule = Static<typeof FieldRule>;

const When = Type.Object(
  {
    column: name('The column that decides.'),
    equals: Type.Optional(scalar('The row is taken when the column has this value,')),
    in: Type.Optional(
      Type.Array(scalar('A value.'), { minItems: 1, maxItems: VALUES_MAX, description: 'or one of these.' }),
    ),
  },
  { ...closed, description: 'Rows for which this does not hold are skipped.' },
);

const eventRules = {
  when: Type.Optional(When),
  fields: Type.Optional(
    Type.Record(name('A field of the event, or `attributes.x`, `metrics.x`, `fields.x`.'), FieldRule, fieldNames),
  ),
  attributes: Type.Optional(
    Type.Array(name('A column that becomes an attribute of that name; `*`: all that nothing else uses.'), {
      maxItems: FIELDS_MAX,
    }),
  ),
};

/** A mapping file: what the columns of a file mean. */
export const MappingFile = Type.Object(
  {
    kind: Type.Optional(Type.Enum(EVENT_KINDS, { description: 'What the rows become.' })),
    format: Type.Optional(
      Type.Object(
        {
          delimiter: Type.Optional(Type.String({ minLength: 1, maxLength: 1, description: 'Default: it is guessed.' })),
          quote: Type.Optional(Type.String({ minLength: 1, maxLength: 1 })),
          encoding: Type.Optional(Type.Enum(['utf8', 'latin1'])),
          columns: Type.Optional(
            Type.Array(name('Name of a column.'), {
              minItems: 1,
              maxItems: 512,
              uniqueItems: true,
              description: 'Of a file whose first line is a row.',
            }),
          ),
          empty: Type.Optional(
            Type.Array(Type.String({ maxLength: 64 }), { maxItems: 16, description: 'Cells that are empty: `NULL`.' }),
          ),
        },
        closed,
      ),
    ),
    ...eventRules,
    also: Type.Optional(
      Type.Array(Type.Object({ kind: Type.Enum(EVENT_KINDS), ...eventRules }, closed), {
        maxItems: EVENTS_MAX - 1,
        description: 'Other events that a row becomes as well.',
      }),
    ),
    jsonata: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 16_384,
        description: 'Instead of fields: a JSONata expression that makes the event, or nothing, of a row.',
      }),
    ),
  },
  closed,
);
export type MappingFile = Static<typeof MappingFile>;

export interface MappingFault {
  /** Path within the mapping: `fields.amount.decimal`. */
  readonly field: string;
  readonly message: string;
}

/** Everything that is wrong with a mapping. */
export class MappingError extends Error {
  override readonly name = 'MappingError';
  readonly faults: readonly MappingFault[];

  constructor(faults: readonly MappingFault[]) {
    super(faults.map(({ field, message }) => `${field === '' ? 'the mapping' : field}: ${message}`).join('; '));
    this.faults = faults.slice(0, FAULTS_MAX);
  }
}

/**
 * The mapping in a JSON text.
 * @throws {MappingError} with every fault of its form; whether it fits the kind and the file is checked when it is compiled.
 */
export function readMapping(text: string): MappingFile {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new MappingError([{ field: '', message: 'is not JSON' }]);
    throw error;
  }
  const mapping = withColumnNames(content);
  if (Value.Check(MappingFile, mapping)) return mapping;
  const seen = new Set<string>();
  const faults = Value.Errors(MappingFile, mapping).flatMap((error): MappingFault[] => {
    const field = error.instancePath.split('/').slice(1).join('.');
    // A union says the same of each of its members.
    if (seen.has(field)) return [];
    seen.add(field);
    return [{ field, message: sentenceOf(error) }];
  });
  throw new MappingError(faults);
}

function sentenceOf(error: { readonly keyword: string; readonly message: string; readonly params: object }): string {
  const { additionalProperties: unknown, allowedValues: allowed } = error.params as {
    additionalProperties?: string[];
    allowedValues?: unknown[];
  };
  if (unknown !== undefined) return `has unknown names: ${unknown.join(', ')}; see the README for those that there are`;
  if (allowed !== undefined) return `must be one of ${allowed.join(', ')}`;
  return error.message;
}

/** `"amount": "TX_AMOUNT"` is short for `"amount": { "column": "TX_AMOUNT" }`. */
function withColumnNames(content: unknown): unknown {
  if (!isObject(content)) return content;
  const expanded: Record<string, unknown> = { ...content };
  if (isObject(content.fields)) expanded.fields = withRules(content.fields);
  if (Array.isArray(content.also)) {
    expanded.also = content.also.map((event: unknown) =>
      isObject(event) && isObject(event.fields) ? { ...event, fields: withRules(event.fields) } : event,
    );
  }
  return expanded;
}

function withRules(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([field, rule]) => [field, typeof rule === 'string' ? { column: rule } : rule]),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
