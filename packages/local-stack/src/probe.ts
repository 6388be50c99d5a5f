import { get } from 'node:http';

const REQUEST_MS_MAX = 2_000;

/**
 * GETs a text from a part on this machine; undefined when nobody answers within 2 s or the answer is not 2xx: a part that
 * starts or restarts is no error here. By `node:http`, because `fetch` would cost the supervisor 30 MB of memory.
 */
export function getText(url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { timeout: REQUEST_MS_MAX }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', () => resolve(undefined));
      response.once('end', () =>
        resolve(response.statusCode !== undefined && response.statusCode < 300 ? text : undefined),
      );
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(undefined));
    request.once('close', () => resolve(undefined));
  });
}

export async function httpAnswers(url: string): Promise<boolean> {
  return (await getText(url)) !== undefined;
}
