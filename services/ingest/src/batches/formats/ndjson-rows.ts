import type { Readable } from 'node:stream';
import type { Problem } from '@millrace/contracts';
import { createLineSplitter } from '../../http/lines.ts';
import type { Row, RowSource } from './rows.ts';

/** One JSON object per line; blank lines are passed over. */
export function openNdjson(bytes: Readable): RowSource {
  return { columns: undefined, rows: readRows(bytes) };
}

async function* readRows(bytes: Readable): AsyncGenerator<readonly Row[], void, void> {
  let rows: Row[] = [];
  const splitter = createLineSplitter((line, text) => {
    if (typeof text !== 'string') rows.push({ line, value: undefined, problem: text });
    else if (!BLANK.test(text)) rows.push(rowOf(line, text));
  });
  const taken = () => {
    const chunk = rows;
    rows = [];
    return chunk;
  };
  for await (const chunk of bytes) {
    splitter.push(chunk);
    if (rows.length > 0) yield taken();
  }
  splitter.end();
  if (rows.length > 0) yield taken();
}

function rowOf(line: number, text: string): Row {
  try {
    return { line, value: JSON.parse(text) };
  } catch (error) {
    if (error instanceof SyntaxError) return { line, value: undefined, problem: NOT_JSON };
    throw error;
  }
}

const BLANK = /^\s*$/;
const NOT_JSON: Problem = {
  field: '',
  code: 'malformed',
  message: 'The line is not valid JSON. Send one JSON object per line.',
};
