// npm run bench [-- NAME... --json --FLAG...]    runs {packages,services}/*/bench/NAME.bench.ts, one after the other (all
// without a name). Each prints a table and, as its last line, a JSON object of what it measured. With --json the last line
// here holds all of them by name. Other flags are handed on. Exit code 1 when one of them fails.
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { basename } from 'node:path';

const SUFFIX = '.bench.ts';

const json = process.argv.includes('--json');
const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const flags = process.argv.slice(2).filter((argument) => argument.startsWith('--') && argument !== '--json');
const files = globSync(['packages/*/bench/*.bench.ts', 'services/*/bench/*.bench.ts']).sort();
const chosen = names.length === 0 ? files : files.filter((file) => names.includes(basename(file, SUFFIX)));
const unknown = names.filter((name) => !files.some((file) => basename(file, SUFFIX) === name));
if (unknown.length > 0 || chosen.length === 0) {
  const known = files.map((file) => basename(file, SUFFIX)).join(', ');
  console.error(`no benchmark named ${unknown.join(', ') || '(there is none)'}; there are: ${known}`);
  process.exit(2);
}
const results: Record<string, unknown> = {};
for (const file of chosen) {
  const name = basename(file, SUFFIX);
  console.log(`\n${name} (${file})`);
  const { code, lastLine } = await runBenchmark(file);
  results[name] = code === 0 ? JSON.parse(lastLine) : { ...measured(lastLine), failed: code };
  if (code !== 0) process.exitCode = 1;
}
if (json) console.log(JSON.stringify(results));

/** One that is over its limit has measured all the same; one that broke down has not. */
function measured(lastLine: string): object {
  try {
    return Object(JSON.parse(lastLine));
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function runBenchmark(file: string): Promise<{ code: number; lastLine: string }> {
  const child = spawn(process.execPath, ['--expose-gc', file, ...flags], { stdio: ['inherit', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text);
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, lastLine: output.trimEnd().split('\n').at(-1) ?? '' }));
  });
}
