import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { assertDataFolderUnused, lockDataFolder } from '../src/data-lock.ts';

async function createFolder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-lock-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A process number that no process has any more. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid ?? assert.fail('no pid');
}

test('a folder in use is refused to a second run, which is told by whom and what to do', async (t) => {
  const dir = await createFolder(t);
  const lock = await lockDataFolder(dir);
  assert.equal(lock.wasStale, false);
  await assert.rejects(lockDataFolder(dir), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'data-folder-in-use');
    assert.match(error.message, new RegExp(`in use by another run \\(process ${process.pid}\\).*--data DIR`));
    return true;
  });
  await assert.rejects(assertDataFolderUnused(dir), { code: 'data-folder-in-use' });
});

test('a folder that was released can be taken again', async (t) => {
  const dir = await createFolder(t);
  (await lockDataFolder(dir)).release();
  await assertDataFolderUnused(dir);
  assert.equal((await lockDataFolder(dir)).wasStale, false);
});

test('the lock of a process that is gone is taken over', async (t) => {
  const dir = await createFolder(t);
  await writeFile(join(dir, 'lock.json'), JSON.stringify({ pid: await deadPid(), startedAt: '123' }));
  await assertDataFolderUnused(dir);
  assert.equal((await lockDataFolder(dir)).wasStale, true);
  assert.deepEqual(await readdir(dir), ['lock.json']);
  assert.equal(JSON.parse(await readFile(join(dir, 'lock.json'), 'utf8')).pid, process.pid);
});

test('a process that was given the number of an earlier one does not hold its lock', {
  skip: process.platform !== 'linux' && 'needs /proc',
}, async (t) => {
  const dir = await createFolder(t);
  await writeFile(join(dir, 'lock.json'), JSON.stringify({ pid: process.pid, startedAt: '1' }));
  assert.equal((await lockDataFolder(dir)).wasStale, true);
});

test('a lock that was only half written holds nobody off', async (t) => {
  const dir = await createFolder(t);
  await writeFile(join(dir, 'lock.json'), '{"pid": 12');
  assert.equal((await lockDataFolder(dir)).wasStale, true);
});

test('of many that ask at once for a stale folder, one gets it', async (t) => {
  const dir = await createFolder(t);
  await writeFile(join(dir, 'lock.json'), JSON.stringify({ pid: await deadPid(), startedAt: '123' }));
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockDataFolder(dir)));
  assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
});
