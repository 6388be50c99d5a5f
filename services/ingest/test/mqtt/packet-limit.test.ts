import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { limitPacketSize } from '../../src/mqtt/packet-limit.ts';

/** Remaining length as MQTT 3.1.1 writes it (2.2.3): seven bits a byte, least significant first. */
function packet(length: number): Buffer {
  const header = [0x30];
  for (let rest = length; ; rest = Math.floor(rest / 128)) {
    header.push(rest >= 128 ? (rest % 128) | 0x80 : rest);
    if (rest < 128) return Buffer.concat([Buffer.from(header), Buffer.alloc(length, 0xff)]);
  }
}

/** Reads like aedes: all that is there, whenever something is. Returns how many bytes came through. */
async function readAll(chunks: readonly Buffer[], bytesMax: number): Promise<{ bytes: number; refused: number }> {
  const stream = new PassThrough();
  const result = { bytes: 0, refused: 0 };
  limitPacketSize(stream, bytesMax, () => {
    result.refused += 1;
  });
  for (const chunk of chunks) {
    stream.write(chunk);
    const read: Buffer | null = stream.read();
    result.bytes += read?.length ?? 0;
  }
  return result;
}

test('packets up to the limit pass, however they are cut into chunks', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 700 }),
      async (lengths, chunkBytes) => {
        const bytes = Buffer.concat(lengths.map(packet));
        const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, index) =>
          bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes),
        );
        assert.deepEqual(await readAll(chunks, 300), { bytes: bytes.length, refused: 0 });
      },
    ),
  );
});

test('a packet over the limit is refused at its header, once, and nothing more is read', async () => {
  const header = packet(301).subarray(0, 3);
  assert.deepEqual(await readAll([packet(300), header, Buffer.alloc(1_000)], 300), { bytes: 303, refused: 1 });
});

test('a length of more than four bytes is refused', async () => {
  const endless = Buffer.of(0x30, 0x80, 0x80, 0x80, 0x80, 0x80);
  assert.equal((await readAll([endless], 2 ** 40)).refused, 1);
});
