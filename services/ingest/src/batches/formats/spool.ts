import { type FileHandle, mkdtemp, open, rmdir, statfs, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { FileFault } from './rows.ts';

export const SPOOL_BYTES_MAX = 2 * 1024 ** 3;
/** What must be left on the disk of the temporary folder. */
export const SPOOL_FREE_BYTES_MIN = 1024 ** 3;
const CHECK_EVERY_BYTES = 64 * 1024 ** 2;

export interface Spooled {
  readonly handle: FileHandle;
  readonly bytes: number;
  close(): Promise<void>;
}

/**
 * Writes what arrives into a temporary file, for a format that is read from its end. The file has no name any more
 * before its first byte is written, so it is gone with the process, however that ends.
 *
 * @throws {FileFault} `file-too-large` beyond `SPOOL_BYTES_MAX`, or when the disk has not enough room left.
 */
export async function spool(bytes: AsyncIterable<Buffer> | Readable, bytesMax = SPOOL_BYTES_MAX): Promise<Spooled> {
  const handle = await openNameless();
  let written = 0;
  let checkedBytes = 0;
  try {
    await checkRoom();
    for await (const chunk of bytes as AsyncIterable<Buffer>) {
      written += chunk.length;
      if (written > bytesMax) {
        const message = `A Parquet file may have ${bytesMax} bytes. Split it, or send CSV or NDJSON, which have no limit.`;
        throw new FileFault('file-too-large', message);
      }
      if (written - checkedBytes > CHECK_EVERY_BYTES) {
        await checkRoom();
        checkedBytes = written;
      }
      await handle.appendFile(chunk);
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  return { handle, bytes: written, close: () => handle.close() };
}

async function openNameless(): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-batch-'));
  const path = join(folder, 'file');
  try {
    const handle = await open(path, 'wx+', 0o600);
    await unlink(path);
    return handle;
  } finally {
    await rmdir(folder);
  }
}

async function checkRoom(): Promise<void> {
  const { bavail, bsize } = await statfs(tmpdir());
  if (bavail * bsize >= SPOOL_FREE_BYTES_MIN) return;
  const message = `Less than ${SPOOL_FREE_BYTES_MIN} bytes are free for Parquet files. Send CSV or NDJSON, or make room.`;
  throw new FileFault('file-too-large', message);
}
