import type { Static, TObject, TProperties, TSchema } from 'typebox';
import { IsOptional } from 'typebox';
import { Value } from 'typebox/value';
import { ObservabilityError } from './errors.ts';

/** One thing that is wrong with the environment, and what to do about it. */
export interface ConfigFault {
  readonly variable: string;
  readonly problem: string;
  readonly remedy: string;
}

export interface LoadOptions<Config> {
  /** Rules over several values together; called only when each value by itself is right. */
  readonly check?: (config: Config) => readonly ConfigFault[];
}

/**
 * Reads a service's configuration from its environment, once. Each property of `schema` is a variable and has a
 * `description`, and a `default` unless it must be set or may stay unset (`Type.Optional`); `unit` names its unit, and
 * `secret: true` keeps its value out of messages. Numbers, booleans (`true`/`false`/`1`/`0`), literals and comma
 * separated lists are converted; an empty value counts as unset.
 *
 * Returns a frozen object. Throws one `invalid-config` that lists every fault with its remedy.
 */
export function loadConfig<Properties extends TProperties>(
  schema: TObject<Properties>,
  env: Readonly<Record<string, string | undefined>>,
  options: LoadOptions<Readonly<Static<TObject<Properties>>>> = {},
): Readonly<Static<TObject<Properties>>> {
  const values: Record<string, unknown> = {};
  const faults: ConfigFault[] = [];
  for (const [variable, property] of Object.entries(schema.properties) as [string, Setting][]) {
    const result = readVariable(variable, property, env[variable]);
    if ('fault' in result) faults.push(result.fault);
    else if (result.value !== undefined) values[variable] = result.value;
  }
  if (faults.length > 0) throw configError(faults);

  const config = Object.freeze(values) as Readonly<Static<TObject<Properties>>>;
  const together = options.check?.(config) ?? [];
  if (together.length > 0) throw configError(together);
  return config;
}

/** Whether `npm start`'s supervisor runs this process: it passes Ctrl-C on as SIGTERM, in its own order. */
export function isSupervised(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  return env.MILLRACE_SUPERVISED === '1';
}

/** TypeBox's schema with the two keywords that settings have beyond JSON Schema. */
export type Setting = TSchema & {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly Setting[];
  readonly enum?: readonly unknown[];
  readonly items?: Setting;
  readonly default?: unknown;
  readonly description?: string;
  readonly unit?: string;
  readonly secret?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
};

type Reading = { readonly value: unknown } | { readonly fault: ConfigFault };

function readVariable(variable: string, setting: Setting, text: string | undefined): Reading {
  if (setting.description === undefined) throw new TypeError(`Setting ${variable} has no description.`);
  const remedy = `Set ${variable} to ${expectation(setting)}. ${setting.description}`;
  if (text === undefined || text.trim() === '') {
    if (setting.default !== undefined) return { value: freeze(setting.default) };
    if (IsOptional(setting)) return { value: undefined };
    return { fault: { variable, problem: 'is not set', remedy } };
  }
  const value = convert(setting, text.trim());
  if (value !== undefined && Value.Check(setting, value)) return { value: freeze(value) };
  const shown = setting.secret ? 'its value' : JSON.stringify(text);
  return { fault: { variable, problem: `${shown} does not fit`, remedy } };
}

/** `undefined` where the text is no spelling of the type. */
function convert(setting: Setting, text: string): unknown {
  const choices = choicesOf(setting);
  if (choices !== undefined) return choices.find((choice) => String(choice) === text);
  switch (setting.type) {
    case 'integer':
    case 'number':
      return /^[+-]?(\d+(\.\d+)?|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
    case 'boolean':
      return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : undefined;
    case 'array': {
      const { items } = setting;
      const parts = text.split(',').map((part) => part.trim());
      return items === undefined ? parts : parts.filter((part) => part !== '').map((part) => convert(items, part));
    }
    default:
      return text;
  }
}

/** The allowed values of a literal, a union of literals or an enumeration. */
export function choicesOf(setting: Setting): readonly unknown[] | undefined {
  if (setting.const !== undefined) return [setting.const];
  if (setting.enum !== undefined) return setting.enum;
  if (setting.anyOf?.every((member) => member.const !== undefined)) return setting.anyOf.map((member) => member.const);
  return undefined;
}

/** "an integer from 1 to 65535 (ms)": what the remedy asks for. */
export function expectation(setting: Setting): string {
  const unit = setting.unit === undefined ? '' : ` (${setting.unit})`;
  const choices = choicesOf(setting);
  if (choices !== undefined) return `one of ${choices.join(', ')}${unit}`;
  switch (setting.type) {
    case 'integer':
    case 'number':
      return `${setting.type === 'integer' ? 'an integer' : 'a number'}${rangeOf(setting)}${unit}`;
    case 'boolean':
      return 'true or false';
    case 'array':
      return `a comma separated list${unit}`;
    default:
      return `a text${setting.pattern === undefined ? '' : ` that matches ${setting.pattern}`}${unit}`;
  }
}

function rangeOf({ minimum, maximum }: Setting): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return ` of at least ${minimum}`;
  if (maximum !== undefined) return ` of at most ${maximum}`;
  return '';
}

function freeze(value: unknown): unknown {
  return Array.isArray(value) ? Object.freeze([...value]) : value;
}

function configError(faults: readonly ConfigFault[]): ObservabilityError {
  const lines = faults.map(({ variable, problem, remedy }) => `  ${variable} ${problem}. ${remedy}`);
  const title = `The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:`;
  return new ObservabilityError('invalid-config', [title, ...lines].join('\n'));
}
