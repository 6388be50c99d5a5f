import { mayShowCardNumber } from './card-number.ts';
import { ECHO_LENGTH_MAX } from './limits.ts';

/** The value as a message may show it: short, and never a card number. */
export function shown(value: unknown): string {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return typeName(value);
  const text = String(value);
  if (mayShowCardNumber(text)) return `${typeName(value)} with a long number, not repeated here`;
  if (text.length > ECHO_LENGTH_MAX) return `${typeName(value)} of ${text.length} characters`;
  return JSON.stringify(value);
}

/** The name of an unknown field as a path may show it: it comes from outside, like a value. */
export function shownName(name: string): string {
  if (name === '') return '(an empty name)';
  if (mayShowCardNumber(name)) return '(a name with a long number)';
  const short = name.length > ECHO_LENGTH_MAX ? `${name.slice(0, ECHO_LENGTH_MAX - 3)}...` : name;
  // A line break or half a surrogate pair is escaped, so that a path stays one line of text.
  return JSON.stringify(short).slice(1, -1);
}

export function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  const type = typeof value;
  return type === 'string' ? 'a text' : type === 'object' ? 'an object' : `a ${type}`;
}
