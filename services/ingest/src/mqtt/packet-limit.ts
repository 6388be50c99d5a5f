import type { Duplex } from 'node:stream';

/**
 * Calls `onTooLarge` once, as soon as a packet's fixed header announces more than `bytesMax`, before any of it has been
 * gathered. (aedes has no limit: a packet of 256 MB, the most that MQTT allows, would be held in memory.)
 *
 * Works on what is read from the stream: MQTT packets follow each other without gaps, so counting their remaining
 * lengths (MQTT 3.1.1, 2.2.3) is enough to know where each begins.
 */
export function limitPacketSize(stream: Duplex, bytesMax: number, onTooLarge: () => void): void {
  const read = stream.read.bind(stream);
  let remaining = 0;
  let lengthBytes = 0;
  let length = 0;
  let inHeader = false;
  let refused = false;

  function follow(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (remaining > 0) {
        const taken = Math.min(remaining, chunk.length - at);
        remaining -= taken;
        at += taken;
        continue;
      }
      const byte = chunk[at++] ?? 0;
      if (!inHeader) {
        // The first byte is the packet's type and flags.
        inHeader = true;
        length = 0;
        lengthBytes = 0;
        continue;
      }
      length += (byte & 0x7f) * 128 ** lengthBytes;
      lengthBytes += 1;
      if (length > bytesMax || lengthBytes > LENGTH_BYTES_MAX) {
        refused = true;
        onTooLarge();
        return;
      }
      if (byte < 0x80) {
        inHeader = false;
        remaining = length;
      }
    }
  }

  stream.read = (size?: number) => {
    const chunk: unknown = refused ? null : read(size);
    if (chunk instanceof Buffer) follow(chunk);
    return refused ? null : chunk;
  };
}

const LENGTH_BYTES_MAX = 4;
