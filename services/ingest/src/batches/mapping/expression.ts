import jsonata from 'jsonata';

/** Wall clock, for one row. An evaluation takes well under a millisecond; who needs this long is in a loop. */
export const EXPRESSION_MS_MAX = 100;
const DEPTH_MAX = 200;
const LIST_MAX = 10_000;
/** Can compile text into an expression that was not looked at, or make a text of any length from a short one. */
const FORBIDDEN_FUNCTIONS: ReadonlySet<string> = new Set(['eval', 'pad', 'formatNumber', 'formatInteger']);

export type Expression = (row: unknown) => Promise<unknown>;

/**
 * Compiles the JSONata expression of a mapping, which may come from whoever may send events: it is bounded in time, depth
 * and lists, and has no regular expressions, which nothing can interrupt.
 */
export function compileExpression(source: string): { readonly evaluate: Expression } | { readonly fault: string } {
  let expression: jsonata.Expression;
  try {
    expression = jsonata(source, { timeout: EXPRESSION_MS_MAX, stack: DEPTH_MAX, sequence: LIST_MAX });
  } catch (error) {
    return { fault: `is no JSONata expression (${reasonOf(error)}); try.jsonata.org helps` };
  }
  const forbidden = forbiddenIn(expression.ast());
  if (forbidden !== undefined) return { fault: `uses ${forbidden}, which is not taken from outside; write it without` };
  return { evaluate: (row) => expression.evaluate(row) };
}

/** The code, and where: the message may quote a value of the row. */
export function reasonOf(error: unknown): string {
  const { code, position } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: unknown;
    position?: unknown;
  };
  return `${typeof code === 'string' ? code : 'failed'}${typeof position === 'number' ? ` at character ${position}` : ''}`;
}

function forbiddenIn(node: unknown): string | undefined {
  if (typeof node !== 'object' || node === null) return undefined;
  if (node instanceof RegExp) return 'a regular expression';
  const { type, value } = node as { type?: unknown; value?: unknown };
  if (type === 'regex') return 'a regular expression';
  if (type === 'variable' && typeof value === 'string' && FORBIDDEN_FUNCTIONS.has(value)) return `$${value}`;
  for (const child of Object.values(node)) {
    const found = forbiddenIn(child);
    if (found !== undefined) return found;
  }
  return undefined;
}
