import type { EventKind } from '../../event-kinds.ts';

/** What a field of an event takes. */
export type FieldType = 'text' | 'number' | 'integer' | 'boolean' | 'amount' | 'time' | 'any';

export interface Targets {
  /** Undefined when an event of the kind has no such field. */
  readonly typeOf: (field: string) => FieldType | undefined;
  /** Fields that every event of the kind has. */
  readonly required: readonly string[];
  readonly names: readonly string[];
  /** Where columns go that the event does not know. */
  readonly rest: 'attributes' | 'fields';
}

interface JsonSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly description?: string;
}

const TIMES: ReadonlySet<string> = new Set(['event_time', 'updated_at', 'labelled_at', 'payment_time']);
/** Objects whose names are the sender's. */
const MAPS: ReadonlySet<string> = new Set(['attributes', 'metrics', 'fields']);

/** What the wire form of a kind says about its fields. */
export function targetsOf({ wireSchema, name }: Pick<EventKind, 'wireSchema' | 'name'>): Targets {
  const { properties = {}, required = [] } = wireSchema as JsonSchema;
  return {
    required,
    names: Object.keys(properties),
    rest: name === 'customers' ? 'fields' : 'attributes',
    typeOf(field) {
      const dot = field.indexOf('.');
      if (dot > 0) {
        const map = field.slice(0, dot);
        if (!MAPS.has(map) || !Object.hasOwn(properties, map) || dot === field.length - 1) return undefined;
        return map === 'metrics' ? 'number' : 'any';
      }
      if (!Object.hasOwn(properties, field) || MAPS.has(field)) return undefined;
      if (TIMES.has(field)) return 'time';
      if (field === 'amount') return 'amount';
      const { type } = properties[field] ?? {};
      return type === 'number' || type === 'integer' || type === 'boolean' ? type : 'text';
    },
  };
}
