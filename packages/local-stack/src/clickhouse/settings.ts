import { ClickHouseException } from './exception.ts';

/** What must hold on a connection before a statement runs on it. */
export interface Preamble {
  readonly database: string | undefined;
  /** Settings of the URL, as text. */
  readonly settings: ReadonlyMap<string, string>;
  /** Values of `{name:Type}` placeholders, in the escaped form of the HTTP interface. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Kept in `log_comment`, by which a running query is found and killed. */
  readonly queryId: string;
  readonly readOnly: boolean;
}

/**
 * The statements that bring a connection into the wanted state, each ended by a semicolon, to be run in one call with
 * the statement they are for.
 *
 * `readonly = 2` comes last: the engine then refuses every write and every change of `readonly` itself, while a reader
 * may still choose settings, as Grafana does.
 *
 * @throws ClickHouseException `BAD_ARGUMENTS` for a name that is none
 */
export function preambleSql(preamble: Preamble): string {
  const assignments = [`log_comment = ${quoteText(preamble.queryId)}`];
  for (const [name, value] of preamble.settings) assignments.push(`${checkName(name)} = ${quoteText(value)}`);
  for (const [name, value] of preamble.parameters) assignments.push(`param_${checkName(name)} = ${quoteText(value)}`);
  if (preamble.readOnly) assignments.push('readonly = 2');
  const use = preamble.database === undefined ? '' : `USE ${quoteName(preamble.database)}; `;
  return `${use}SET ${assignments.join(', ')}; `;
}

function checkName(name: string): string {
  if (/^[A-Za-z_][\w.]*$/.test(name)) return name;
  throw new ClickHouseException('BAD_ARGUMENTS', `${JSON.stringify(name)} is not the name of a setting or parameter`);
}

function quoteText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function quoteName(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}
