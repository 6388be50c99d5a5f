import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** What Lambda tells a runtime. */
export function readEnvironment(env: NodeJS.ProcessEnv = process.env): { runtimeApi: string; taskRoot: string } {
  const { AWS_LAMBDA_RUNTIME_API: runtimeApi, LAMBDA_TASK_ROOT: taskRoot } = env;
  if (runtimeApi === undefined || taskRoot === undefined)
    throw new Error('AWS_LAMBDA_RUNTIME_API and LAMBDA_TASK_ROOT are not set: this runs in an execution environment');
  return { runtimeApi, taskRoot };
}

/** Where `npm run lambda:client` installs AWS's runtime interface client, since it is built from C++ sources. */
export const RUNTIME_CLIENT_FOLDER = fileURLToPath(new URL('../../../.millrace/lambda-client/', import.meta.url));
const OFFICIAL = `${RUNTIME_CLIENT_FOLDER}node_modules/aws-lambda-ric/`;

/** AWS's runtime interface client where it is built, else a stand-in. */
export function runtimeClient(): { readonly kind: 'official' | 'stand-in'; readonly path: string } {
  if (existsSync(`${OFFICIAL}rapid-client.node`)) return { kind: 'official', path: `${OFFICIAL}index.mjs` };
  return { kind: 'stand-in', path: fileURLToPath(new URL('runtime-client.ts', import.meta.url)) };
}
