// npm run lambda:build    makes the Lambda functions in compose/lambda/dist, for `sam deploy`
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleFunction, FUNCTIONS, type FunctionName } from './bundle.ts';

const FOLDER = fileURLToPath(new URL('../../../compose/lambda/dist', import.meta.url));

for (const name of Object.keys(FUNCTIONS) as FunctionName[]) {
  const taskRoot = await bundleFunction(name, FOLDER);
  const { size } = statSync(join(taskRoot, 'lambda.mjs'));
  console.log(`${name.padEnd(16)} ${(size / 1024 / 1024).toFixed(1)} MB`);
}
