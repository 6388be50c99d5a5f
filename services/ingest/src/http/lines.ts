import { isUtf8 } from 'node:buffer';
import type { Problem } from '@millrace/contracts';

/** Longer lines are skipped and reported. An event is under 8 KiB, a customer record under 24 KiB. */
export const LINE_BYTES_MAX = 64 * 1024;

export interface LineSplitter {
  push(chunk: Buffer): void;
  /** The last line may come without a line feed. */
  end(): void;
}

/**
 * Splits UTF-8 bytes at line feeds, whatever the chunks are. `onLine` gets each line's number from 1 and its text, or
 * why it has none: a line over `LINE_BYTES_MAX`, of which no more than that is ever held, or one that is not UTF-8.
 */
export function createLineSplitter(onLine: (line: number, text: string | Problem) => void): LineSplitter {
  let line = 0;
  let held: Buffer[] = [];
  let heldBytes = 0;
  let skipping = false;

  function hold(part: Buffer): void {
    if (skipping || part.length === 0) return;
    heldBytes += part.length;
    if (heldBytes > LINE_BYTES_MAX) {
      skipping = true;
      held = [];
      return;
    }
    // A copy: the chunk may be a view of a buffer that the socket reads into again.
    held.push(Buffer.from(part));
  }

  function finish(chunk: Buffer, from: number, to: number): void {
    line += 1;
    if (heldBytes === 0 && to - from <= LINE_BYTES_MAX) {
      onLine(line, decode(chunk, from, to));
      return;
    }
    hold(chunk.subarray(from, to));
    onLine(line, skipping ? TOO_LONG : decode(Buffer.concat(held)));
    held = [];
    heldBytes = 0;
    skipping = false;
  }

  return {
    push(chunk) {
      let from = 0;
      for (let to = chunk.indexOf(LINE_FEED); to !== -1; to = chunk.indexOf(LINE_FEED, from)) {
        finish(chunk, from, to);
        from = to + 1;
      }
      hold(chunk.subarray(from));
    },
    end() {
      if (heldBytes > 0) finish(EMPTY, 0, 0);
    },
  };
}

/** A character that stands for what could not be decoded may also have been sent as such. */
function decode(bytes: Buffer, from = 0, to = bytes.length): string | Problem {
  const text = bytes.toString('utf8', from, to);
  return text.includes('\ufffd') && !isUtf8(bytes.subarray(from, to)) ? NOT_UTF8 : text;
}

const TOO_LONG: Problem = {
  field: '',
  code: 'out-of-range',
  message: `The line is over ${LINE_BYTES_MAX} bytes. Send one event per line.`,
};
const NOT_UTF8: Problem = {
  field: '',
  code: 'malformed',
  message: 'The line is not valid UTF-8. Encode it as UTF-8 and send it again.',
};
const LINE_FEED = 0x0a;
const EMPTY = Buffer.alloc(0);
