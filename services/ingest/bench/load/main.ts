// The load generator, a process of its own: gets tasks from its parent by IPC, one at a time, and answers with results.
// Arguments: the run's id, and how many devices there are.
import { setTimeout as sleep } from 'node:timers/promises';
import { createTemplates } from './events.ts';
import { Meter } from './meter.ts';
import { startPublishes } from './publishes.ts';
import { startRequests } from './requests.ts';
import type { FromGenerator, LoadTask } from './task.ts';

const [runId = 'bench', devices = '1000'] = process.argv.slice(2);
const templates = createTemplates(runId, Number(devices));

process.on('message', (task: LoadTask) => {
  run(task).catch(fail);
});
process.on('disconnect', () => process.exit(0));
process.on('uncaughtException', fail);
tell({ type: 'ready' });

async function run(task: LoadTask): Promise<void> {
  const meter = new Meter(task);
  const load = await (task.kind === 'mqtt'
    ? startPublishes(task, templates.readings, meter)
    : startRequests(task, templates.payments, meter));
  await sleep(task.warmUpMs);
  tell({ type: 'begin' });
  meter.begin();
  await sleep(task.measureMs);
  meter.end();
  tell({ type: 'end' });
  await load.stop();
  tell({ type: 'result', result: meter.result() });
}

function tell(message: FromGenerator): void {
  process.send?.(message);
}

function fail(error: unknown): void {
  tell({ type: 'failed', reason: error instanceof Error ? error.message : String(error) });
}
