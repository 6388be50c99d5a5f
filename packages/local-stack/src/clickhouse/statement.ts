/** What this server must know about a statement before the engine sees it. */
export interface Statement {
  /** The first word in capitals, `SELECT`, `INSERT`; `(` for a bracketed SELECT, empty for an empty text. */
  readonly keyword: string;
  /** The FORMAT clause of a query that answers rows. Not looked for in an INSERT, whose FORMAT is about its input. */
  readonly format: string | undefined;
  /** `INTO OUTFILE` or `FROM INFILE`: the engine would write or read a file of this machine. */
  readonly usesFile: boolean;
  /** It contains a SELECT: of an INSERT, that its rows come from the engine itself. */
  readonly hasSelect: boolean;
  /** Names that stand before a bracket, in lower case: functions and table functions. */
  readonly calls: ReadonlySet<string>;
}

/**
 * Looks at the words of a statement, outside comments and quotes. This is no parser: the engine is, and every rule that
 * guards data is the engine's (`readonly`). Data behind `INSERT ... FORMAT x` or `VALUES` is not looked at.
 */
export function describeStatement(sql: string): Statement {
  const calls = new Set<string>();
  let keyword = '';
  let format: string | undefined;
  let usesFile = false;
  let hasSelect = false;
  let depth = 0;
  let previous = '';
  for (const word of words(sql)) {
    const upper = word.toUpperCase();
    if (keyword === '') keyword = upper;
    const isInsert = keyword === 'INSERT';
    if (isInsert && depth === 0 && (previous === 'FORMAT' || upper === 'VALUES')) break;
    if (previous === 'FORMAT' && depth === 0 && NAME.test(word)) format = word;
    if ((previous === 'INTO' && upper === 'OUTFILE') || (previous === 'FROM' && upper === 'INFILE')) usesFile = true;
    if (upper === 'SELECT') hasSelect = true;
    if (word === '(') {
      depth += 1;
      if (NAME.test(previous)) calls.add(previous.toLowerCase());
    } else if (word === ')') depth -= 1;
    previous = upper;
  }
  return { keyword, format, usesFile, hasSelect, calls };
}

const NAME = /^[A-Za-z_]\w*$/;

// In this order: blanks and comments, quoted text and heredocs, names, numbers, anything else one by one. The quotes are
// written unrolled so that an unclosed one costs linear time.
const TOKEN =
  /(?<skip>\s+|--[^\n]*|#[ !][^\n]*|\/\*[\s\S]*?(?:\*\/|$))|'[^'\\]*(?:(?:\\[\s\S]|'')[^'\\]*)*(?:'|$)|"[^"\\]*(?:(?:\\[\s\S]|"")[^"\\]*)*(?:"|$)|`[^`\\]*(?:(?:\\[\s\S]|``)[^`\\]*)*(?:`|$)|\$(?<tag>\w*)\$[\s\S]*?\$\k<tag>\$|[A-Za-z_]\w*|\d[\w.]*|[\s\S]/y;

function* words(sql: string): Generator<string> {
  const token = new RegExp(TOKEN);
  for (let match = token.exec(sql); match !== null; match = token.exec(sql)) {
    if (match.groups?.skip === undefined) yield match[0];
  }
}

/** Reaches out of the database: files, other servers, programs. A read-only user may not use them. */
const OUTSIDE_CALLS: ReadonlySet<string> = new Set([
  'azureblobstorage',
  'deltalake',
  'executable',
  'file',
  'filecluster',
  'gcs',
  'hdfs',
  'hudi',
  'iceberg',
  'jdbc',
  'mongodb',
  'mysql',
  'odbc',
  'postgresql',
  'redis',
  'remote',
  'remotesecure',
  's3',
  's3cluster',
  'sqlite',
  'url',
  'urlcluster',
]);

/** The first call of a statement that reaches out of the database, if there is one. */
export function outsideCall(statement: Statement): string | undefined {
  for (const name of statement.calls) if (OUTSIDE_CALLS.has(name)) return name;
  return undefined;
}

/**
 * `KILL QUERY WHERE query_id = 'x'` as the engine can answer it. The engine gives its queries ids of its own; the id of
 * the HTTP request is kept in the setting `log_comment`, where `system.processes` shows it.
 */
export function killByRequestId(sql: string): string {
  return sql.replace(/\bquery_id\b/g, "Settings['log_comment']");
}
