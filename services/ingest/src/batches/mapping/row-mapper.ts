import type { Problem } from '@millrace/contracts';
import type { EventKind, EventKinds } from '../../event-kinds.ts';
import { type Cells, createCells, isObject, put } from './cells.ts';
import { compileExpression, reasonOf } from './expression.ts';
import { type CompiledField, compileField, noSuchColumn, templateColumns, ValueFault } from './field-rule.ts';
import { type FieldRule, MappingError, type MappingFault, type MappingFile } from './mapping-file.ts';
import { type Targets, targetsOf } from './targets.ts';

export interface MappedEvent {
  readonly kind: EventKind;
  /** In the form of the wire; not checked yet. */
  readonly input: unknown;
}

/** No event: the mapping leaves the row out. */
export type Mapped = { readonly events: readonly MappedEvent[] } | { readonly problems: readonly Problem[] };

export interface RowMapper {
  map(row: unknown): Mapped | Promise<Mapped>;
  /** Columns of the file that nothing in the mapping looks at. */
  readonly unusedColumns: readonly string[];
}

export interface MapperOptions {
  /** Not given: columns have the names of the event's fields, all others become attributes. */
  readonly mapping: MappingFile | undefined;
  readonly kind: EventKind;
  readonly kinds: EventKinds;
  /** Of the file; undefined where each record has names of its own. */
  readonly columns: readonly string[] | undefined;
}

type EventRules = Pick<MappingFile, 'when' | 'fields' | 'attributes'>;
/** One event of a row: its input, nothing, or what is wrong. */
type MapOne = (row: unknown) => { readonly input: unknown } | { readonly problems: readonly Problem[] } | undefined;

/** @throws {MappingError} with everything in which the mapping does not fit the kind of event, or the file. */
export function compileMapper({ mapping = {}, kind, kinds, columns }: MapperOptions): RowMapper {
  const cells = createCells(columns, mapping.format?.empty);
  const faults: MappingFault[] = [];
  if (mapping.jsonata !== undefined) return expressionMapper(mapping, kind, cells);
  const isIdentity = mapping.fields === undefined && mapping.attributes === undefined;
  // Whoever sends NDJSON without rules sends events.
  if (isIdentity && columns === undefined && mapping.when === undefined && mapping.also === undefined) {
    return { map: (row) => ({ events: [{ kind, input: row }] }), unusedColumns: [] };
  }
  const main = isIdentity ? { ...mapping, ...identity(kind, columns ?? []) } : mapping;
  // Before anything is compiled: what one event uses is no attribute of another.
  const used = new Set([main, ...(mapping.also ?? [])].flatMap(columnsOf));
  const compile = (of: EventKind, rules: EventRules, path: string): { kind: EventKind; mapOne: MapOne } => ({
    kind: of,
    mapOne: compileEvent(of, rules, { cells, faults, path, used }),
  });
  const events = [
    compile(kind, main, ''),
    ...(mapping.also ?? []).map((also, index) => compile(kinds[also.kind], also, `also.${index}.`)),
  ];
  if (faults.length > 0) throw new MappingError(faults);
  return {
    unusedColumns: [main, ...(mapping.also ?? [])].some(({ attributes }) => attributes?.includes('*'))
      ? []
      : (columns ?? []).filter((name) => !used.has(name)),
    map(row) {
      const mapped: MappedEvent[] = [];
      let problems: readonly Problem[] | undefined;
      for (const { kind: of, mapOne } of events) {
        const one = mapOne(row);
        if (one === undefined) continue;
        if ('problems' in one) problems = [...(problems ?? []), ...one.problems];
        else mapped.push({ kind: of, input: one.input });
      }
      return problems === undefined ? { events: mapped } : { problems };
    },
  };
}

/** The columns that rules look at by name. */
function columnsOf({ fields = {}, when, attributes = [] }: EventRules): string[] {
  const ofFields = Object.values(fields).flatMap(({ column, template }) => [
    ...(column === undefined ? [] : [column]),
    ...templateColumns(template ?? ''),
  ]);
  return [...ofFields, ...(when === undefined ? [] : [when.column]), ...attributes.filter((name) => name !== '*')];
}

/** Columns that have the name of a field are that field, all others attributes. */
function identity(kind: EventKind, columns: readonly string[]): Required<Pick<EventRules, 'fields' | 'attributes'>> {
  const { typeOf } = targetsOf(kind);
  const known = columns.filter((name) => typeOf(name) !== undefined);
  return { fields: Object.fromEntries(known.map((column) => [column, { column }])), attributes: ['*'] };
}

interface CompileContext {
  readonly cells: Cells;
  readonly faults: MappingFault[];
  /** Of the event within the mapping: '' or `also.0.`. */
  readonly path: string;
  /** Columns that something looks at by name. */
  readonly used: ReadonlySet<string>;
}

function compileEvent(kind: EventKind, rules: EventRules, context: CompileContext): MapOne {
  const { path, faults } = context;
  const targets = targetsOf(kind);
  const rulesByField = rules.fields ?? {};
  const fields = Object.entries(rulesByField).map(([field, rule]) => compileTarget(field, rule, targets, context));
  for (const name of targets.required) {
    const isGiven = Object.keys(rulesByField).some((field) => field === name || field.startsWith(`${name}.`));
    if (!isGiven)
      faults.push({
        field: `${path}fields`,
        message: `has no rule for ${name}, and without a mapping the file no such column; every event needs it`,
      });
  }
  const takes = compileWhen(rules.when, context);
  const attributes = compileAttributes(rules.attributes ?? [], targets, context);
  return (row) => {
    if (!takes(row)) return undefined;
    const input: Record<string, unknown> = {};
    let problems: Problem[] | undefined;
    for (const { field, map, name, read } of fields) {
      const value = read(row);
      if (value === undefined) continue;
      if (value instanceof ValueFault) {
        problems ??= [];
        problems.push({ field, code: value.code, message: value.message });
      } else if (map === undefined) input[name] = value;
      else put(mapIn(input, map), name, value);
    }
    if (problems !== undefined) return { problems };
    attributes(row, input);
    return { input };
  };
}

interface Target extends CompiledField {
  readonly field: string;
  readonly name: string;
  /** `metrics`, `attributes` or `fields` where the field is in one of them. */
  readonly map: string | undefined;
}

function compileTarget(field: string, rule: FieldRule, targets: Targets, context: CompileContext): Target {
  const { faults, cells } = context;
  const path = `${context.path}fields.${field}`;
  const type = targets.typeOf(field);
  if (type === undefined) {
    const message = `is no field of such an event; there are ${targets.names.join(', ')}, and attributes as attributes.x`;
    faults.push({ field: path, message });
  }
  const compiled = compileField(rule, { cells, type: type ?? 'any', path, faults });
  const dot = field.indexOf('.');
  const place = dot < 0 ? { map: undefined, name: field } : { map: field.slice(0, dot), name: field.slice(dot + 1) };
  return { ...compiled, ...place, field };
}

function compileWhen(when: EventRules['when'], { cells, faults, path }: CompileContext): (row: unknown) => boolean {
  if (when === undefined) return () => true;
  const wanted = new Set([...(when.in ?? []), ...(when.equals === undefined ? [] : [when.equals])].map(String));
  if (wanted.size === 0) faults.push({ field: `${path}when`, message: 'needs equals or in' });
  const read = cells.columnOf(when.column);
  if (read === undefined) {
    faults.push({ field: `${path}when.column`, message: noSuchColumn(when.column, cells.columns ?? []) });
    return () => false;
  }
  return (row) => {
    const value = read(row);
    return value !== undefined && wanted.has(String(value));
  };
}

/** Puts columns into the event's attributes (the fields of a customer source). */
function compileAttributes(
  names: readonly string[],
  { rest }: Targets,
  { cells, faults, path, used }: CompileContext,
): (row: unknown, input: Record<string, unknown>) => void {
  const named = names.filter((name) => name !== '*');
  const readers = named.map((name) => {
    const read = cells.columnOf(name);
    if (read === undefined)
      faults.push({ field: `${path}attributes`, message: noSuchColumn(name, cells.columns ?? []) });
    return { name, read: read ?? (() => undefined) };
  });
  const hasRest = names.includes('*');
  if (hasRest && cells.columns !== undefined) {
    for (const name of cells.columns.filter((column) => !used.has(column))) {
      readers.push({ name, read: cells.columnOf(name) ?? (() => undefined) });
    }
  }
  const copyRest = hasRest && cells.columns === undefined;
  return (row, input) => {
    for (const { name, read } of readers) {
      const value = read(row);
      if (value !== undefined) put(mapIn(input, rest), name, value);
    }
    if (!copyRest || !isObject(row)) return;
    for (const [name, value] of Object.entries(row)) {
      if (value !== null && !used.has(name)) put(mapIn(input, rest), name, value);
    }
  };
}

function mapIn(input: Record<string, unknown>, map: string): Record<string, unknown> {
  const known = input[map];
  if (isObject(known)) return known;
  const created: Record<string, unknown> = {};
  input[map] = created;
  return created;
}

function expressionMapper(mapping: MappingFile, kind: EventKind, cells: Cells): RowMapper {
  const faults: MappingFault[] = [];
  for (const name of ['fields', 'attributes', 'when', 'also'] as const) {
    if (mapping[name] !== undefined) faults.push({ field: name, message: 'does not go with jsonata; leave one out' });
  }
  const compiled = compileExpression(mapping.jsonata ?? '');
  if ('fault' in compiled) throw new MappingError([...faults, { field: 'jsonata', message: compiled.fault }]);
  if (faults.length > 0) throw new MappingError(faults);
  return {
    unusedColumns: [],
    async map(row) {
      let input: unknown;
      try {
        input = await compiled.evaluate(cells.toObject(row));
      } catch (error) {
        const message = `the expression of the mapping fails on the row (${reasonOf(error)}); correct either`;
        return { problems: [{ field: '', code: 'malformed', message }] };
      }
      return { events: input === undefined || input === null ? [] : [{ kind, input }] };
    },
  };
}
