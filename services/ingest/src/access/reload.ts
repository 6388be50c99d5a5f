import { stat } from 'node:fs/promises';
import type { Logger } from '@millrace/observability';
import { IngestError } from '../errors.ts';
import type { IngestMetrics } from '../metrics.ts';

/** How often files are looked at: a rotation takes effect within this time. */
const LOOK_EVERY_MS = 2_000;

export interface ReloadOptions<T> {
  /** For logs and metrics. */
  readonly name: 'api-keys' | 'device-credentials' | 'http-certificates' | 'mqtt-certificates';
  readonly files: readonly string[];
  /** From the files to what is used; rejects when they are not right. Gets what is in force. */
  readonly read: (current: T | undefined) => Promise<T>;
  /** Called with each value after the first, which is in force already. What it throws counts as a file that is not right. */
  readonly onChange?: (value: T) => void;
  readonly logger: Logger;
  readonly metrics: Pick<IngestMetrics, 'reloads' | 'reloadFailed'>;
  readonly lookEveryMs?: number;
}

export interface Reloaded<T> {
  /** What is in force. */
  current(): T;
  /** Looks now, for those who cannot wait. */
  look(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Reads files now, and again whenever they change: in place, by a rename, or by the exchange of a symbolic link above
 * them (as Kubernetes updates a mounted secret). Looking at them every few seconds works on every file system.
 *
 * The first reading rejects when the files are not right. Later what was in force stays so; the log says why, and
 * `millrace_ingest_credentials_reload_failed` is 1 until it is cured.
 */
export async function openReloaded<T>(options: ReloadOptions<T>): Promise<Reloaded<T>> {
  const { name, files, read, onChange, logger, metrics } = options;
  // Before the reading, so that a change during it is seen at the next look.
  let state = await stateOf(files);
  let current = await read(undefined);
  let failure: string | undefined;
  let looking: Promise<void> | undefined;
  metrics.reloadFailed.set({ file: name }, 0);

  async function look(): Promise<void> {
    const newState = await stateOf(files);
    if (newState === state && failure === undefined) return;
    try {
      const before = current;
      current = await read(before);
      try {
        onChange?.(current);
      } catch (error) {
        current = before;
        throw error;
      }
      state = newState;
      failure = undefined;
      metrics.reloads.inc({ file: name, result: 'ok' });
      metrics.reloadFailed.set({ file: name }, 0);
      logger.info({ files }, `${name}: read again after a change`);
    } catch (error) {
      const message = reasonOf(error);
      // Looked at again every time, said once.
      if (message === failure) return;
      failure = message;
      metrics.reloads.inc({ file: name, result: 'failed' });
      metrics.reloadFailed.set({ file: name }, 1);
      logger.error({ reason: message }, `${name}: the changed file is not used; what was read before stays in force`);
    }
  }

  function lookOnce(): Promise<void> {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  const timer = setInterval(() => void lookOnce(), options.lookEveryMs ?? LOOK_EVERY_MS);
  timer.unref();
  return {
    current: () => current,
    look: lookOnce,
    async close() {
      clearInterval(timer);
      await looking;
    },
  };
}

/** Changes when a file changes, is replaced, or is another one by way of a link. Never rejects. */
async function stateOf(files: readonly string[]): Promise<string> {
  const states = await Promise.all(
    files.map(async (file) => {
      try {
        const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
        return [dev, ino, size, mtimeNs, ctimeNs].join(':');
      } catch (error) {
        // Reading it will fail as well, and say so.
        return String((error as NodeJS.ErrnoException).code);
      }
    }),
  );
  return states.join(' ');
}

/** Our own messages name files and places in them, and no values; others might quote what they could not read. */
function reasonOf(error: unknown): string {
  if (error instanceof IngestError) return error.message;
  return error instanceof Error ? `${error.name} ${'code' in error ? String(error.code) : ''}`.trim() : 'unknown';
}
