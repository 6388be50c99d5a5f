// npm run lambda:client    builds AWS's runtime interface client, for tests that run functions under it. It takes some
// minutes, and cmake, make, a C++ compiler and Python.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { RUNTIME_CLIENT_FOLDER, runtimeClient } from './config.ts';

const VERSION = '4.0.2';

mkdirSync(RUNTIME_CLIENT_FOLDER, { recursive: true });
writeFileSync(`${RUNTIME_CLIENT_FOLDER}package.json`, JSON.stringify({ private: true }));
const { status } = spawnSync('npm', ['install', '--foreground-scripts', `aws-lambda-ric@${VERSION}`], {
  cwd: RUNTIME_CLIENT_FOLDER,
  stdio: 'inherit',
});
if (status !== 0 || runtimeClient().kind !== 'official') {
  console.error('aws-lambda-ric could not be built, see above. The tests run under a stand-in for it.');
  process.exitCode = 1;
}
