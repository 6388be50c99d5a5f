/** Where `npm start` talks to a person. */
export interface Screen {
  /** A line that stays. */
  print(line: string): void;
  /** The one line that keeps itself current. */
  status(line: string): void;
}

const ERASE_LINE = '\r\u001B[2K';
/** Without a terminal there is nothing to rewrite, so the line is printed now and then. */
const PLAIN_STATUS_MS = 10_000;

export interface ScreenOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** On a terminal the status line is rewritten in place, below what is printed; elsewhere it appears every 10 s. */
export function createScreen(output: ScreenOutput, nowMs: () => number = () => performance.now()): Screen {
  if (!output.isTTY) {
    let nextMs = Number.NEGATIVE_INFINITY;
    return {
      print: (line) => output.write(`${line}\n`),
      status(line) {
        if (nowMs() < nextMs) return;
        nextMs = nowMs() + PLAIN_STATUS_MS;
        output.write(`${line}\n`);
      },
    };
  }
  let current = '';
  return {
    print(line) {
      output.write(`${current === '' ? '' : ERASE_LINE}${line}\n${current}`);
    },
    status(line) {
      // A line that wraps could not be erased again.
      current = line.slice(0, (output.columns ?? 80) - 1);
      output.write(ERASE_LINE + current);
    },
  };
}
