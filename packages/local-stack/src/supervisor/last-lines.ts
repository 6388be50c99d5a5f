import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const TAIL_BYTES_MAX = 16 * 1024;

/** The end of a text file, indented for a message; says so when the file is empty or missing. */
export function lastLines(file: string, count: number): string {
  let text: string;
  try {
    text = readTail(file);
  } catch (error) {
    return `  (${(error as Error).message})`;
  }
  const lines = text.trimEnd().split('\n').slice(-count);
  return lines.join('') === '' ? '  (empty)' : lines.map((line) => `  ${line}`).join('\n');
}

function readTail(file: string): string {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const tail = Buffer.alloc(Math.min(size, TAIL_BYTES_MAX));
    readSync(descriptor, tail, 0, tail.length, size - tail.length);
    return tail.toString('utf8');
  } finally {
    closeSync(descriptor);
  }
}
