import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Json, Platform } from '@millrace/test-platform';

/** Listens to `/v1/stream/alerts` until the end of the test; the list grows as alerts arrive. */
export async function listenToAlerts(t: TestContext, platform: Platform): Promise<readonly Json[]> {
  const leave = new AbortController();
  const response = await fetch(`${platform.api}/v1/stream/alerts`, { signal: leave.signal });
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  const alerts: Json[] = [];
  const reading = readEvents(response, (event, data) => {
    if (event === 'alert') alerts.push(JSON.parse(data));
  }).catch((error: unknown) => {
    if (!leave.signal.aborted) throw error;
  });
  t.after(async () => {
    leave.abort();
    await reading;
  });
  return alerts;
}

/** As much of the format of server-sent events as one line of data per event needs. */
async function readEvents(response: Response, onEvent: (event: string, data: string) => void): Promise<void> {
  let text = '';
  for await (const chunk of (response.body ?? assert.fail('no body')).pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (event !== undefined && data !== undefined) onEvent(event, data);
    }
  }
}
