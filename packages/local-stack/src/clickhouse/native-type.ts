/** A ClickHouse type as a tree: `Array(Nullable(String))` is `{ name: 'Array', args: [{ name: 'Nullable', ... }] }`. */
export interface NativeType {
  readonly name: string;
  /** The text of each argument, without the name of a tuple's element. */
  readonly args: readonly string[];
}

const OPENING = '(';
const CLOSING = ')';

/** Splits a type's text at its outermost brackets and commas. Quoted text (the names of an Enum) is passed over. */
export function parseType(text: string): NativeType {
  const open = text.indexOf(OPENING);
  if (open === -1) return { name: text.trim(), args: [] };
  const args: string[] = [];
  let depth = 0;
  let start = open + 1;
  for (let i = open; i < text.length; i += 1) {
    const char = text[i];
    if (char === "'" || char === '`') i = endOfQuote(text, i);
    else if (char === OPENING) depth += 1;
    else if (char === CLOSING) depth -= 1;
    if ((char === ',' && depth === 1) || (char === CLOSING && depth === 0)) {
      args.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  return { name: text.slice(0, open).trim(), args: args.filter((arg) => arg !== '') };
}

/** `name Type` of a tuple's or Nested's element, or `Type` alone: the type. */
export function elementType(text: string): string {
  if (text.startsWith('`')) return text.slice(endOfQuote(text, 0) + 1).trim();
  const match = /^[A-Za-z_]\w*\s+(?=\S)/.exec(text);
  return match === null ? text : text.slice(match[0].length);
}

function endOfQuote(text: string, start: number): number {
  const quote = text[start];
  for (let i = start + 1; i < text.length; i += 1) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === quote) return i;
  }
  return text.length;
}
