import { SinkError } from './errors.ts';

/** The metadata of a committed offset while a block is under way: where the block ends (exclusive). */
export function intentMetadata(end: number): string {
  return JSON.stringify({ end });
}

/**
 * Reads what a sink committed beside an offset: the end of the block under way, or `undefined` when there is none.
 * Anything else was written by somebody else, and guessing could store a block twice.
 */
export function readIntent(metadata: string, offset: number): number | undefined {
  if (metadata === '') return undefined;
  let end: unknown;
  try {
    const parsed: unknown = JSON.parse(metadata);
    if (typeof parsed === 'object' && parsed !== null && 'end' in parsed) end = parsed.end;
  } catch (cause) {
    throw unreadable(metadata, cause);
  }
  if (typeof end !== 'number' || !Number.isSafeInteger(end) || end <= offset) throw unreadable(metadata);
  return end;
}

function unreadable(metadata: string, cause?: unknown): SinkError {
  return new SinkError(
    'intent-unreadable',
    `The offset metadata "${metadata.slice(0, 100)}" is not an intent of the sink. If another program commits to this group, give it a group of its own; then set the offsets of the group anew.`,
    { cause },
  );
}
