export interface ProgressOptions {
  readonly stream: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly nowMs: () => number;
}

export interface Progress {
  /** `share` from 0 to 1; undefined when the end is not known. */
  show(share: number | undefined, text: string): void;
  /** Leaves the last state standing and begins a new line. */
  end(): void;
}

const BAR_LENGTH = 24;
const REDRAW_MS = 100;
/** In a log file a line now and then is enough. */
const LOG_LINE_MS = 10_000;
const COLUMNS_DEFAULT = 100;

/** A bar that redraws itself on a terminal; elsewhere a line every ten seconds. */
export function createProgress({ stream, nowMs }: ProgressOptions): Progress {
  const everyMs = stream.isTTY === true ? REDRAW_MS : LOG_LINE_MS;
  let shownMs = Number.NEGATIVE_INFINITY;
  let last: string | undefined;
  let lastShown = true;

  function write(line: string): void {
    if (stream.isTTY === true) stream.write(`\r${line.slice(0, (stream.columns ?? COLUMNS_DEFAULT) - 1)}\u001b[K`);
    else stream.write(`${line}\n`);
  }

  return {
    show(share, text) {
      last = share === undefined ? text : `${bar(share)} ${text}`;
      lastShown = nowMs() - shownMs >= everyMs;
      if (!lastShown) return;
      shownMs = nowMs();
      write(last);
    },
    end() {
      if (last === undefined) return;
      if (!lastShown) write(last);
      if (stream.isTTY === true) stream.write('\n');
      last = undefined;
      shownMs = Number.NEGATIVE_INFINITY;
    },
  };
}

export function bar(share: number): string {
  const bounded = Math.min(1, Math.max(0, share));
  const filled = Math.floor(bounded * BAR_LENGTH);
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_LENGTH - filled)}] ${String(Math.floor(bounded * 100)).padStart(3)} %`;
}
