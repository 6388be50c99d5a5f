import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openReloaded } from '../../src/access/reload.ts';
import { IngestError } from '../../src/errors.ts';
import { createFolder, createWatched } from './credentials-file.ts';

const NEVER_MS = 2_147_483_647;

/** The text of a file, which must begin with `right`. */
async function openText(t: TestContext, file: string, lookEveryMs = NEVER_MS) {
  const watched = createWatched();
  const text = await openReloaded({
    name: 'api-keys',
    files: [file],
    read: async () => {
      const content = await readFile(file, 'utf8');
      if (!content.startsWith('right')) throw new IngestError('credentials-file', `${file} is not right.`);
      return content;
    },
    lookEveryMs,
    ...watched,
  });
  t.after(() => text.close());
  return { ...watched, text };
}

test('a file that is written again is read again', async (t) => {
  const file = join(await createFolder(t), 'keys');
  await writeFile(file, 'right 1');
  const { text, lines } = await openText(t, file);
  await text.look();
  assert.equal(text.current(), 'right 1');
  assert.deepEqual(lines, []);
  await writeFile(file, 'right 2');
  await text.look();
  assert.equal(text.current(), 'right 2');
});

test('a file that is replaced by a rename is read again, even when size and time are the same', async (t) => {
  const folder = await createFolder(t);
  const [file, next] = [join(folder, 'keys'), join(folder, 'next')];
  for (const [name, content] of [
    [file, 'right 1'],
    [next, 'right 2'],
  ] as const) {
    await writeFile(name, content);
    await utimes(name, 1_000, 1_000);
  }
  const { text } = await openText(t, file);
  await rename(next, file);
  await text.look();
  assert.equal(text.current(), 'right 2');
});

test('a secret that Kubernetes updates, by exchanging a symbolic link to its folder, is read again', async (t) => {
  const folder = await createFolder(t);
  for (const version of ['1', '2']) {
    await mkdir(join(folder, `..v${version}`));
    await writeFile(join(folder, `..v${version}`, 'keys'), `right ${version}`);
  }
  await symlink('..v1', join(folder, '..data'));
  await symlink('..data/keys', join(folder, 'keys'));
  const { text } = await openText(t, join(folder, 'keys'));
  assert.equal(text.current(), 'right 1');
  await symlink('..v2', join(folder, '..data_tmp'));
  await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  await rm(join(folder, '..v1'), { recursive: true });
  await text.look();
  assert.equal(text.current(), 'right 2');
});

test('a file that is wrong or gone leaves the old state in force, says so once, and is cured by a right one', async (t) => {
  const file = join(await createFolder(t), 'keys');
  await writeFile(file, 'right 1');
  const { text, lines, failed } = await openText(t, file);
  assert.equal(await failed(), 0);
  await writeFile(file, 'wrong, with a secret');
  for (let looks = 0; looks < 3; looks += 1) await text.look();
  assert.deepEqual([text.current(), await failed(), lines.length], ['right 1', 1, 1]);
  assert.match(String(lines[0]), /"level":"error".*is not right.*stays in force/);
  await rm(file);
  for (let looks = 0; looks < 3; looks += 1) await text.look();
  assert.deepEqual([text.current(), await failed(), lines.length], ['right 1', 1, 2]);
  assert.match(String(lines[1]), /ENOENT/);
  await writeFile(file, 'right 2');
  await text.look();
  assert.deepEqual([text.current(), await failed(), lines.length], ['right 2', 0, 3]);
  assert.equal(lines.join('').includes('secret'), false);
});

test('at the start a file that is not right is an error', async (t) => {
  const file = join(await createFolder(t), 'keys');
  await writeFile(file, 'wrong');
  await assert.rejects(openText(t, file), { code: 'credentials-file' });
});

test('it looks by itself', async (t) => {
  const file = join(await createFolder(t), 'keys');
  await writeFile(file, 'right 1');
  const { text } = await openText(t, file, 5);
  await writeFile(file, 'right 2');
  while (text.current() !== 'right 2') await new Promise((resolve) => setTimeout(resolve, 5));
});
