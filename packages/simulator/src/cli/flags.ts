import { parseArgs } from 'node:util';
import { SimulatorError } from '../errors.ts';

/** One flag of a command: its type is that of its default, or what `kind` says. */
export type Flag =
  | {
      readonly kind: 'number';
      readonly help: string;
      readonly byDefault?: number;
      readonly min: number;
      readonly max: number;
    }
  | { readonly kind: 'text'; readonly help: string; readonly byDefault?: string; readonly choices?: readonly string[] }
  | { readonly kind: 'switch'; readonly help: string };
export type Flags = Readonly<Record<string, Flag>>;

export type FlagValues<F extends Flags> = {
  readonly [Name in keyof F]: F[Name] extends { readonly kind: 'switch' }
    ? boolean
    : F[Name] extends { readonly kind: 'number' }
      ? F[Name] extends { readonly byDefault: number }
        ? number
        : number | undefined
      : F[Name] extends { readonly byDefault: string }
        ? string
        : string | undefined;
};

export interface Command<F extends Flags> {
  /** The first line of the help: `npm run replay -- FILE [flags]`. */
  readonly usage: string;
  readonly summary: string;
  readonly flags: F;
  /** How many arguments that are no flags. */
  readonly files: { readonly min: number; readonly max: number };
}

export type Parsed<F extends Flags> =
  | { readonly help: string }
  | { readonly help?: never; readonly values: FlagValues<F>; readonly files: readonly string[] };

/** @throws {SimulatorError} `usage`, which names the flag, what is wrong with it and what it takes. */
export function parseCommand<F extends Flags>(command: Command<F>, argv: readonly string[]): Parsed<F> {
  const { values: given, positionals } = parseTokens(command, argv);
  if (given.help === true) return { help: helpText(command) };
  const values = Object.fromEntries(
    Object.entries(command.flags).map(([name, flag]) => [name, readFlag(name, flag, given[name])]),
  );
  const { min, max } = command.files;
  if (positionals.length < min) throw usage(command, min === 1 ? 'A file is needed.' : `${min} files are needed.`);
  if (positionals.length > max) throw usage(command, `Do not know what to do with "${positionals[max]}".`);
  return { values: values as FlagValues<F>, files: positionals };
}

function parseTokens<F extends Flags>(
  command: Command<F>,
  argv: readonly string[],
): { readonly values: Readonly<Record<string, unknown>>; readonly positionals: readonly string[] } {
  const options = Object.fromEntries(
    Object.entries(command.flags).map(([name, { kind }]) => [
      name,
      { type: kind === 'switch' ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  try {
    return parseArgs({
      args: [...argv],
      options: { ...options, help: { type: 'boolean' } },
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw usage(command, `${error.message.split('. ')[0]}.`, error);
  }
}

function readFlag(name: string, flag: Flag, text: unknown): unknown {
  if (flag.kind === 'switch') return text === true;
  if (typeof text !== 'string') return flag.byDefault;
  if (flag.kind === 'text') {
    if (flag.choices === undefined || flag.choices.includes(text)) return text;
    throw new SimulatorError('usage', `--${name} ${text}: it takes ${flag.choices.join(', ')}.`);
  }
  const number = Number(text);
  if (text.trim() === '' || !(number >= flag.min && number <= flag.max)) {
    throw new SimulatorError('usage', `--${name} ${text}: it takes a number from ${flag.min} to ${flag.max}.`);
  }
  return number;
}

export function helpText<F extends Flags>({ usage: line, summary, flags }: Command<F>): string {
  const rows = Object.entries(flags).map(([name, flag]): [string, string] => {
    const value = flag.kind === 'number' ? ' N' : flag.kind === 'text' ? ` ${flag.choices?.join('|') ?? 'TEXT'}` : '';
    const byDefault = flag.kind !== 'switch' && flag.byDefault !== undefined ? ` (${flag.byDefault})` : '';
    return [`--${name}${value}`, `${flag.help}${byDefault}`];
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return [`usage: ${line}`, '', summary, '', ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)].join(
    '\n',
  );
}

function usage<F extends Flags>(command: Command<F>, problem: string, cause?: unknown): SimulatorError {
  return new SimulatorError('usage', `${problem}\nusage: ${command.usage}\nMore with --help.`, { cause });
}
