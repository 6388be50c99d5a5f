import type { ProblemCode } from '@millrace/contracts';
import type { Cells, ReadCell } from './cells.ts';
import { decimalTextOf, type NumberFormat } from './decimals.ts';
import type { FieldRule, MappingFault } from './mapping-file.ts';
import type { FieldType } from './targets.ts';
import { timeReader } from './times.ts';

/** Why a row has no right value for a field. Never holds the value, which may be a card number. */
export class ValueFault {
  readonly code: ProblemCode;
  readonly message: string;

  constructor(code: ProblemCode, message: string) {
    this.code = code;
    this.message = message;
  }
}

export interface CompiledField {
  /** The value for the event, undefined for none, or a `ValueFault`. */
  readonly read: (row: unknown) => unknown;
}

type Convert = (value: unknown) => unknown;

const NUMBER_RULES = ['decimal', 'group', 'minor_digits', 'decimals'] as const;
const TIME_RULES = ['time', 'zone', 'plus_ms'] as const;

/** Compiles one rule. What is wrong with it goes to `faults`; the result is then of no use. */
export function compileField(
  rule: FieldRule,
  { cells, type, path, faults }: { cells: Cells; type: FieldType; path: string; faults: MappingFault[] },
): CompiledField {
  const fault = (name: string, message: string) => {
    faults.push({ field: name === '' ? path : `${path}.${name}`, message });
  };
  const wanted = typeOf(rule, type);
  checkRules(rule, wanted, fault);
  const converted = converter(rule, wanted, fault);
  const constant = (value: unknown, name: string): unknown => {
    const result = value === undefined ? undefined : converted(value);
    if (result instanceof ValueFault) fault(name, result.message);
    return result;
  };
  const byDefault = constant(rule.default, 'default');
  if (rule.constant !== undefined) {
    const value = constant(rule.constant, 'constant');
    return { read: () => value };
  }
  const read = sourceOf(rule, cells, fault);
  const { values } = rule;
  return {
    read(row) {
      let value = read(row);
      if (value === undefined) return byDefault;
      if (values !== undefined) {
        const key = String(value);
        if (!Object.hasOwn(values, key)) return byDefault ?? NOT_IN_VALUES;
        value = values[key];
      }
      return converted(value);
    },
  };
}

function typeOf(rule: FieldRule, type: FieldType): FieldType {
  if (rule.time !== undefined && type === 'any') return 'time';
  return rule.type ?? type;
}

function checkRules(rule: FieldRule, type: FieldType, fault: (name: string, message: string) => void): void {
  const sources = [rule.column, rule.constant, rule.template].filter((source) => source !== undefined);
  if (sources.length !== 1) fault('', 'needs exactly one of column, constant and template');
  const isNumber = type === 'number' || type === 'integer' || type === 'amount';
  for (const name of NUMBER_RULES) {
    if (rule[name] !== undefined && !isNumber) fault(name, 'is about a number; the field is none, or needs a type');
  }
  for (const name of TIME_RULES) {
    if (rule[name] !== undefined && type !== 'time') fault(name, 'is about a time; the field is none');
  }
}

function sourceOf(rule: FieldRule, cells: Cells, fault: (name: string, message: string) => void): ReadCell {
  const column = (name: string, at: string): ReadCell => {
    const read = cells.columnOf(name);
    if (read !== undefined) return read;
    fault(at, noSuchColumn(name, cells.columns ?? []));
    return () => undefined;
  };
  if (rule.column !== undefined) return column(rule.column, 'column');
  const parts = templateParts(rule.template ?? '');
  const readers = parts.map((part) => ('text' in part ? part.text : column(part.column, 'template')));
  return (row) => {
    let text = '';
    for (const reader of readers) {
      const value = typeof reader === 'string' ? reader : reader(row);
      if (value === undefined) return undefined;
      text += String(value);
    }
    return text;
  };
}

/** The columns in a template. */
export function templateColumns(template: string): string[] {
  return templateParts(template).flatMap((part) => ('column' in part ? [part.column] : []));
}

export function noSuchColumn(name: string, columns: readonly string[]): string {
  const shown = columns.slice(0, 20).join(', ');
  return `the file has no column ${name}; it has ${shown}${columns.length > 20 ? ', ...' : ''}`;
}

/** `shop-{STORE}`: braces are written twice to be themselves. */
function templateParts(template: string): ({ readonly text: string } | { readonly column: string })[] {
  return Array.from(template.matchAll(/\{\{|\}\}|\{([^{}]+)\}|[^{}]+|[{}]/g), ([text, column]) => {
    if (column !== undefined) return { column };
    return { text: text === '{{' ? '{' : text === '}}' ? '}' : text };
  });
}

function converter(rule: FieldRule, type: FieldType, fault: (name: string, message: string) => void): Convert {
  switch (type) {
    case 'any':
      return (value) => value;
    case 'text':
      return (value) => (typeof value === 'object' ? value : String(value));
    case 'boolean':
      return toBoolean;
    case 'time':
      return timeConverter(rule, fault);
    default:
      return numberConverter(rule, type);
  }
}

function numberConverter(rule: FieldRule, type: 'number' | 'integer' | 'amount'): Convert {
  const format: NumberFormat = {
    ...(rule.decimal === undefined ? {} : { decimal: rule.decimal }),
    ...(rule.group === undefined ? {} : { group: rule.group }),
    ...(rule.minor_digits === undefined ? {} : { minorDigits: rule.minor_digits }),
    ...(rule.decimals === undefined ? {} : { decimals: rule.decimals }),
  };
  return (value) => {
    // A reading may be a switch; other numbers that are none are refused with the event.
    if (typeof value === 'boolean') return value;
    if (type === 'number' && typeof value === 'number' && rule.minor_digits === undefined) return value;
    const text = decimalTextOf(value, format);
    if (type === 'amount') return text ?? NOT_AMOUNT;
    const number = text === undefined ? scientific(value) : Number(text);
    if (number === undefined || !Number.isFinite(number)) return NOT_NUMBER;
    return type === 'integer' && !Number.isSafeInteger(number) ? NOT_INTEGER : number;
  };
}

/** `1.5e-7`, as measurements are often written. */
function scientific(value: unknown): number | undefined {
  return typeof value === 'string' && /^[+-]?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{1,3}$/.test(value)
    ? Number(value)
    : undefined;
}

function timeConverter(rule: FieldRule, fault: (name: string, message: string) => void): Convert {
  const { time = 'iso', zone = 'UTC', plus_ms: plusMs = 0 } = rule;
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
  } catch {
    fault('zone', 'is no time zone of the IANA database, such as Europe/Lisbon');
    return () => undefined;
  }
  try {
    const read = timeReader(time, zone);
    const notTime = new ValueFault('malformed', `is no time of the form ${time}; correct it, or the mapping's time`);
    return (value) => {
      const timeMs = read(value);
      return timeMs === undefined ? notTime : timeMs + plusMs;
    };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    fault('time', error.message);
    return () => undefined;
  }
}

function toBoolean(value: unknown): unknown {
  if (typeof value === 'boolean') return value;
  const text = String(value).toLowerCase();
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : NOT_BOOLEAN;
}

const TRUE: ReadonlySet<string> = new Set(['true', '1', 'yes', 'y', 't']);
const FALSE: ReadonlySet<string> = new Set(['false', '0', 'no', 'n', 'f']);

const NOT_IN_VALUES = new ValueFault('unknown-value', "is not one of the mapping's values; add it there, or a default");
const NOT_AMOUNT = new ValueFault('malformed', "is no decimal as the mapping's decimal and group say; correct either");
const NOT_NUMBER = new ValueFault('malformed', "is no number as the mapping's decimal and group say; correct either");
const NOT_INTEGER = new ValueFault('malformed', 'is no whole number');
const NOT_BOOLEAN = new ValueFault('malformed', 'is none of true, false, 1, 0, yes and no');
