import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { ApiInstance } from '../app.ts';

const CONSOLE_ROOT = fileURLToPath(new URL('../../console/', import.meta.url));
const UPLOT_ROOT = dirname(fileURLToPath(import.meta.resolve('uplot/dist/uPlot.min.css')));

/** Everything comes from this service: the page works without the internet, and a script from elsewhere does not run. */
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The console at `/`: files as they are, and uPlot from its npm package. */
export async function registerConsole(app: ApiInstance): Promise<void> {
  const headers = { 'content-security-policy': CONTENT_SECURITY_POLICY, 'cache-control': 'no-cache' };
  const setHeaders = (reply: { header(name: string, value: string): unknown }) => {
    for (const [name, value] of Object.entries(headers)) reply.header(name, value);
  };
  await app.register(fastifyStatic, { root: CONSOLE_ROOT, prefix: '/', wildcard: false, setHeaders });
  await app.register(fastifyStatic, {
    root: UPLOT_ROOT,
    prefix: '/vendor/uplot/',
    decorateReply: false,
    wildcard: false,
    setHeaders,
  });
}
