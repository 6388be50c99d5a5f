import { readFile } from 'node:fs/promises';
import { stackPorts } from '@millrace/local-stack';
import { EXIT_FAILED, runCommand } from './cli/command.ts';
import type { Command, Flags } from './cli/flags.ts';
import { createProgress } from './cli/progress.ts';
import { SimulatorError } from './errors.ts';
import { batchIdOf, type FormFields, type InputFile, inputFile } from './load/batch-form.ts';
import { type Loaded, type LoadState, loadFile } from './load/load-file.ts';
import { isGood, printLoaded, progressText } from './load/report.ts';

/** Files of events go to ingest, each row once. */
const COMMAND = {
  usage: 'npm run load -- FILE... [--kind K] [--mapping FILE] [--dry-run] [flags]',
  summary: [
    'Sends files of CSV, NDJSON or Parquet (each also .gz) through POST /v1/batches. A mapping says what the columns mean;',
    'without one they have the names of the fields of an event, and others become attributes.',
    'Stopped or killed, it goes on where it stopped when it is started again: each row is kept once.',
  ].join('\n'),
  flags: {
    kind: {
      kind: 'text',
      help: 'of the events; payments, or what the mapping says',
      choices: ['payments', 'telemetry', 'labels', 'customers', 'merchants', 'devices'],
    },
    mapping: { kind: 'text', help: 'JSON file, see services/ingest/README.md' },
    'dry-run': { kind: 'switch', help: 'check everything, keep nothing' },
    format: { kind: 'text', help: 'where the name of the file does not tell', choices: ['csv', 'ndjson', 'parquet'] },
    url: { kind: 'text', help: 'of ingest, instead of this machine' },
    'port-base': { kind: 'number', help: 'of a stack that was started with it', min: 1, max: 65_000 },
    'api-key-file': { kind: 'text', help: 'file with the API key' },
    'batch-id': { kind: 'text', help: 'of one file, instead of a name made of what is in it' },
    json: { kind: 'switch', help: 'print the result as one JSON object in the last line' },
  },
  files: { min: 1, max: 1_000 },
} as const satisfies Command<Flags>;

await runCommand(COMMAND, async ({ values, files: paths }) => {
  const stop = new AbortController();
  // Ctrl-C ends the sending; a second one ends the process, as it does by default.
  process.once('SIGINT', () => stop.abort());
  if (values['batch-id'] !== undefined && paths.length > 1) {
    throw new SimulatorError('usage', '--batch-id names one batch, which is one file. Leave it out.');
  }
  const url = checkedUrl(values.url ?? `http://127.0.0.1:${stackPorts(values['port-base']).ingest}`);
  const apiKeyFile = values['api-key-file'];
  const apiKey = apiKeyFile === undefined ? undefined : (await textOf(apiKeyFile, '--api-key-file')).trim();
  const fields: FormFields = {
    kind: values.kind,
    format: values.format,
    mapping: values.mapping === undefined ? undefined : await textOf(values.mapping, '--mapping'),
  };
  const files: InputFile[] = [];
  for (const path of paths) files.push(await inputFile(path));
  const results: Loaded[] = [];
  try {
    for (const file of files) {
      const batchId = values['dry-run'] ? undefined : (values['batch-id'] ?? (await batchIdOf(file, fields)));
      const parts = { ...fields, batch_id: batchId, dry_run: values['dry-run'] ? 'true' : undefined };
      const result = await loadWithProgress(file, { url, apiKey, fields: parts, batchId, signal: stop.signal });
      printLoaded(result);
      results.push(result);
    }
  } catch (error) {
    if (!(error instanceof SimulatorError) || error.code !== 'aborted') throw error;
    console.error('Stopped. The same command goes on where this one stopped.');
    process.exitCode = EXIT_FAILED;
  }
  const ok = results.length === files.length && results.every(isGood);
  if (values.json) console.log(JSON.stringify({ ok, files: results }));
  if (!ok) process.exitCode = EXIT_FAILED;
});

async function loadWithProgress(
  file: InputFile,
  options: Omit<Parameters<typeof loadFile>[1], 'onState'>,
): Promise<Loaded> {
  const progress = createProgress({ stream: process.stderr, nowMs: () => performance.now() });
  const startMs = performance.now();
  let rowsBefore: number | undefined;
  const onState = (state: LoadState) => {
    if (state.rows > 0) rowsBefore ??= state.rows;
    const elapsedMs = performance.now() - startMs;
    const text = progressText(state, { bytes: file.bytes, rowsBefore: rowsBefore ?? 0, elapsedMs });
    progress.show(file.bytes === 0 ? 1 : state.sentBytes / file.bytes, `${file.name}: ${text}`);
  };
  try {
    return await loadFile(file, { ...options, onState });
  } finally {
    progress.end();
  }
}

async function textOf(path: string, flag: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new SimulatorError('usage', `${flag} ${path}: the file cannot be read.`, { cause });
  }
}

function checkedUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new SimulatorError('usage', `--url ${text}: it takes a URL that begins with http:// or https://.`);
}
