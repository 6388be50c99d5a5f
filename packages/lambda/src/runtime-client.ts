/**
 * Lambda's Node.js runtime in few lines, for a machine on which AWS's own (`aws-lambda-ric`, see README.md) is not
 * built: loads a handler, takes events from the Runtime API one by one, and answers. Its argument: `<file>.<export>`.
 * https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readEnvironment } from './config.ts';

type Handler = (event: unknown, context: object) => Promise<unknown>;

const [, , name = ''] = process.argv;
const { runtimeApi, taskRoot } = readEnvironment();
const base = `http://${runtimeApi}/2018-06-01/runtime`;

const handler = await load();
for (;;) await handleNext();

async function load(): Promise<Handler> {
  const [file = '', exported = ''] = name.split('.');
  try {
    const module = (await import(pathToFileURL(join(taskRoot, `${file}.mjs`)).href)) as Record<string, unknown>;
    const found = module[exported];
    if (typeof found !== 'function') throw new Error(`${name} is not exported`);
    // As AWS's runtime does since Node.js 24: a handler that takes a callback would never be heard.
    if (found.length > 2) throw new Error(`${name} takes a callback`);
    return found as Handler;
  } catch (error) {
    await post('init/error', describe(error));
    throw error;
  }
}

async function handleNext(): Promise<void> {
  const next = await fetch(`${base}/invocation/next`);
  const id = next.headers.get('lambda-runtime-aws-request-id') ?? '';
  const deadlineMs = Number(next.headers.get('lambda-runtime-deadline-ms'));
  const context = { awsRequestId: id, getRemainingTimeInMillis: () => deadlineMs - Date.now() };
  let answer: unknown;
  try {
    answer = await handler(await next.json(), context);
  } catch (error) {
    return post(`invocation/${id}/error`, describe(error));
  }
  await post(`invocation/${id}/response`, answer ?? null);
}

async function post(path: string, body: unknown): Promise<void> {
  const response = await fetch(`${base}/${path}`, { method: 'POST', body: JSON.stringify(body) });
  await response.arrayBuffer();
}

function describe(error: unknown): { errorType: string; errorMessage: string; trace: string[] } {
  const { name: errorType, message, stack } = error instanceof Error ? error : new Error(String(error));
  return { errorType, errorMessage: message, trace: (stack ?? '').split('\n') };
}
