import { setTimeout as delay } from 'node:timers/promises';
import { isSupervised } from './config.ts';
import { ObservabilityError } from './errors.ts';
import { createLogger, type Logger } from './logger.ts';

/** Everything is closed within this time or the process ends without: `npm start` gives the whole stack 10 s. */
export const SHUTDOWN_MS_MAX = 8_000;

/** How long a stop waits for a start that is still under way. */
const START_ABORT_MS_MAX = 1_000;

export type ResourceClose = () => void | Promise<void>;

export interface ServiceResources {
  /** Registers what must be closed, right after it was opened. Closed in reverse order. */
  onClose(name: string, close: ResourceClose): void;
  /** Aborted when the process begins to stop: for waits during the start. */
  readonly signal: AbortSignal;
  /** The service's own logger, once its level is known. */
  useLogger(logger: Logger): void;
  /** Ends the process with grace and exit code 1, for an error that no caller awaits (a runtime's `onFatal`). */
  fail(error: unknown): void;
}

export interface ServiceOptions {
  readonly name: string;
  /** Opens everything and returns when the service works. What throws here ends the process with exit code 1. */
  start(resources: ServiceResources): Promise<void> | void;
}

/**
 * Runs a service's `main`: starts it, and stops it in order on SIGTERM, on SIGINT and SIGHUP (not when supervised: the
 * supervisor sends SIGTERM in its own order), when the supervisor's IPC channel breaks (so that no service outlives a
 * killed supervisor), and on an error that nobody caught (exit code 1).
 *
 * Closing: in reverse order of opening, one after the other, `SHUTDOWN_MS_MAX` for all. A close that fails is logged
 * and the next one runs. A second SIGINT from a terminal ends the process at once.
 */
export function runService({ name, start }: ServiceOptions): void {
  const closes: { readonly name: string; readonly close: ResourceClose }[] = [];
  const stopping = new AbortController();
  let logger = createLogger({ service: name });
  let closing = '';

  async function stop(reason: string, exitCode: 0 | 1): Promise<void> {
    if (stopping.signal.aborted) return;
    stopping.abort(new Error(`stopping: ${reason}`));
    logger.info({ reason }, 'stopping');
    // Not unref'd: the process must not end by an empty event loop while a close is still owed.
    setTimeout(() => {
      logger.error({ closing, shutdownMsMax: SHUTDOWN_MS_MAX }, 'did not close in time; ending anyway');
      process.exit(1);
    }, SHUTDOWN_MS_MAX);
    let failed = exitCode === 1;
    failed = !(await closeAll()) || failed;
    // Closing what a start waits for usually ends it; what it opened meanwhile is closed as well.
    await Promise.race([started, delay(START_ABORT_MS_MAX)]);
    failed = !(await closeAll()) || failed;
    logger.info('stopped');
    process.exit(failed ? 1 : 0);
  }

  async function closeAll(): Promise<boolean> {
    let allClosed = true;
    for (let resource = closes.pop(); resource !== undefined; resource = closes.pop()) {
      closing = resource.name;
      allClosed = (await closeOne(resource.name, resource.close)) && allClosed;
    }
    return allClosed;
  }

  async function closeOne(resource: string, close: ResourceClose): Promise<boolean> {
    try {
      await close();
      return true;
    } catch (error) {
      logger.error({ err: error, resource }, 'could not close');
      return false;
    }
  }

  function fail(error: unknown): void {
    // A fault of the configuration is for a person to read: its message is whole without a stack or JSON around it.
    if (error instanceof ObservabilityError && error.code === 'invalid-config') {
      process.stderr.write(`${name}: ${error.message}\n`);
    } else if (!stopping.signal.aborted) {
      logger.fatal({ err: error }, 'failed');
    } else {
      logger.warn({ err: error }, 'failed while stopping');
    }
    void stop('failure', 1);
  }

  process.on('SIGTERM', () => void stop('SIGTERM', 0));
  const supervised = isSupervised();
  for (const signal of ['SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (supervised) return;
      if (stopping.signal.aborted) process.exit(130);
      void stop(signal, 0);
    });
  }
  if (process.connected) process.once('disconnect', () => void stop('the supervisor is gone', 0));
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);

  const resources: ServiceResources = {
    signal: stopping.signal,
    fail,
    useLogger(own) {
      logger = own;
    },
    onClose(resource, close) {
      closes.push({ name: resource, close });
    },
  };
  const started = Promise.resolve()
    .then(() => start(resources))
    .then(() => {
      if (!stopping.signal.aborted) logger.info('started');
    }, fail);
}
