import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a function said to an event. */
export type FunctionAnswer =
  | { readonly ok: true; readonly payload: unknown }
  | { readonly ok: false; readonly error: { readonly errorType?: string; readonly errorMessage?: string } };

/**
 * The HTTP API between Lambda and the runtime in an execution environment, from Lambda's side.
 * https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
export interface RuntimeApi {
  /** `host:port`, for `AWS_LAMBDA_RUNTIME_API`. */
  readonly address: string;
  /** The runtime takes it with its next `GET /runtime/invocation/next`. */
  invoke(event: unknown, timeoutMs: number): Promise<FunctionAnswer>;
  /** Rejects what is under way: the environment is gone. */
  reset(reason: Error): void;
  /** What the runtime could not load, once it has said so. */
  readonly initError: Promise<Error>;
  close(): Promise<void>;
}

interface Invocation {
  readonly id: string;
  readonly payload: string;
  readonly deadlineMs: number;
  resolve(answer: FunctionAnswer): void;
  reject(error: Error): void;
}

const PREFIX = '/2018-06-01/runtime/';
const FUNCTION_ARN = 'arn:aws:lambda:eu-central-1:000000000000:function:millrace';

export async function startRuntimeApi(): Promise<RuntimeApi> {
  const waiting: Invocation[] = [];
  const running = new Map<string, Invocation>();
  let poller: ServerResponse | undefined;
  const { promise: initError, resolve: failInit } = Promise.withResolvers<Error>();

  const handOut = (): void => {
    if (poller === undefined || poller.destroyed) return;
    const invocation = waiting.shift();
    if (invocation === undefined) return;
    const response = poller;
    poller = undefined;
    running.set(invocation.id, invocation);
    response.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': invocation.id,
      'lambda-runtime-deadline-ms': String(invocation.deadlineMs),
      'lambda-runtime-invoked-function-arn': FUNCTION_ARN,
      'lambda-runtime-trace-id': 'Root=1-00000000-000000000000000000000000;Sampled=0',
    });
    response.end(invocation.payload);
  };
  const server = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url?.startsWith(PREFIX) ? request.url.slice(PREFIX.length) : '';
    if (request.method === 'GET' && path === 'invocation/next') {
      poller = response;
      return handOut();
    }
    const body = await read(request);
    const [, id, kind] = /^invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
    if (path === 'init/error') failInit(new Error(`the function could not be loaded: ${body}`));
    else if (id === undefined) return void response.writeHead(404).end();
    else {
      const invocation = running.get(id);
      running.delete(id);
      if (kind === 'response') invocation?.resolve({ ok: true, payload: JSON.parse(body) });
      else invocation?.resolve({ ok: false, error: JSON.parse(body) });
    }
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}');
  };
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const reset = (reason: Error) => {
    for (const invocation of [...running.values(), ...waiting.splice(0)]) invocation.reject(reason);
    running.clear();
    poller?.destroy();
    poller = undefined;
  };

  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    invoke: (event, timeoutMs) =>
      new Promise((resolve, reject) => {
        const id = randomUUID();
        waiting.push({ id, payload: JSON.stringify(event), deadlineMs: Date.now() + timeoutMs, resolve, reject });
        handOut();
      }),
    reset,
    initError,
    close: async () => {
      reset(new Error('closed'));
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
