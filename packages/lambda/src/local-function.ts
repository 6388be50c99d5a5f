import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { runtimeClient } from './config.ts';
import { type FunctionAnswer, type RuntimeApi, startRuntimeApi } from './runtime-api.ts';

/** https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown */
const SHUTDOWN_MS_MAX = 2_000;

export interface LocalFunctionOptions {
  /** Folder with the bundle. */
  readonly taskRoot: string;
  /** `<file>.<export>`. */
  readonly handler: string;
  readonly env: Readonly<Record<string, string>>;
  /** `Timeout`: what has not answered by then is killed. */
  readonly timeoutMs: number;
  /** Standard output and error of the function, line by line or not. */
  readonly onOutput?: (text: string) => void;
}

/**
 * A function with one execution environment: a process with AWS's own runtime interface client where it is built
 * (`runtimeClient`), which talks to a Runtime API of ours. It is started by the first event, and by the first one after it has ended.
 */
export interface LocalFunction {
  /** Rejects when the environment ends, or is ended for taking too long, before it has answered. */
  invoke(event: unknown): Promise<FunctionAnswer>;
  /** Ends the environment as a crash would (SIGKILL). The next event finds a new one. */
  kill(): Promise<void>;
  /** What Lambda does to an environment between invocations (SIGSTOP), until the next one or `thaw`. */
  freeze(): void;
  thaw(): void;
  /** As Lambda ends an environment that has an extension: SIGTERM, and SIGKILL for what is there 2 s later. */
  shutDown(): Promise<void>;
  close(): Promise<void>;
}

export function createLocalFunction(options: LocalFunctionOptions): LocalFunction {
  let environment: Promise<{ readonly api: RuntimeApi; readonly child: ChildProcess }> | undefined;

  const start = async () => {
    const api = await startRuntimeApi();
    const child = spawn(process.execPath, [runtimeClient().path, options.handler], {
      cwd: options.taskRoot,
      env: {
        ...options.env,
        AWS_LAMBDA_RUNTIME_API: api.address,
        AWS_LAMBDA_FUNCTION_NAME: 'millrace',
        AWS_LAMBDA_FUNCTION_VERSION: '1',
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '512',
        AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/millrace',
        AWS_LAMBDA_LOG_STREAM_NAME: 'local',
        AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
        AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
        AWS_REGION: 'eu-central-1',
        LAMBDA_TASK_ROOT: options.taskRoot,
        _HANDLER: options.handler,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => options.onOutput?.(chunk.toString('utf8')));
    child.once('exit', (code, signal) => {
      api.reset(new Error(`the environment has ended (${code ?? signal})`));
      environment = undefined;
      void api.close();
    });
    void api.initError.then((error) => api.reset(error));
    return { api, child };
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const running = await environment;
    if (running === undefined) return;
    const exited = once(running.child, 'exit');
    running.child.kill('SIGCONT');
    running.child.kill(signal);
    const timer = setTimeout(() => running.child.kill('SIGKILL'), SHUTDOWN_MS_MAX);
    await exited;
    clearTimeout(timer);
  };
  const signal = (name: NodeJS.Signals) => void environment?.then(({ child }) => child.kill(name));

  return {
    invoke: async (event) => {
      environment ??= start();
      const { api, child } = await environment;
      child.kill('SIGCONT');
      const timer = setTimeout(() => void end('SIGKILL'), options.timeoutMs);
      try {
        return await api.invoke(event, options.timeoutMs);
      } finally {
        clearTimeout(timer);
      }
    },
    kill: () => end('SIGKILL'),
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    shutDown: () => end('SIGTERM'),
    close: () => end('SIGKILL'),
  };
}
