import { IngestError } from '../errors.ts';
import { type DevicePacket, isFirstByte, malformed, readPacket } from './packets.ts';

/** Of the remaining length (2.2.3). */
const LENGTH_BYTES_MAX = 4;
/** The first memory for a packet of which only a part is there; it doubles as bytes come. */
const PARTIAL_BYTES_MIN = 512;

/**
 * Cuts the bytes of a connection into packets. `next` gives them one at a time, so its caller may stop anywhere and go on
 * later. A packet that lies in one chunk is read where it lies; of others no more is held than has come.
 *
 * A packet over `bytesMax` (its fixed header included) is refused as soon as its header announces it.
 */
export class PacketReader {
  /** May grow, when more is allowed to a device that is known. */
  bytesMax: number;
  #chunk: Buffer = EMPTY;
  #at = 0;
  /** The begin of a packet whose end has not come. */
  #partial: Buffer = EMPTY;
  #partialBytes = 0;
  /** Set by `#measure`. */
  #headerBytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Bytes of the packet that `next` gave last. */
  packetBytes = 0;

  push(chunk: Buffer): void {
    this.#chunk = this.#at < this.#chunk.length ? Buffer.concat([this.#chunk.subarray(this.#at), chunk]) : chunk;
    this.#at = 0;
  }

  /**
   * The next packet, or `undefined` when it has not come to its end.
   *
   * @throws {IngestError} `malformed-packet` or `packet-size`; there is no way to find the next packet then.
   */
  next(): DevicePacket | undefined {
    if (this.#partialBytes > 0) return this.#nextOfPartial();
    const start = this.#at;
    const bytes = this.#measure(this.#chunk, start, this.#chunk.length);
    if (bytes === undefined || start + bytes > this.#chunk.length) {
      this.#gather(this.#chunk.length - start, bytes);
      return undefined;
    }
    this.#at += bytes;
    this.packetBytes = bytes;
    const chunk = this.#chunk;
    if (this.#at === chunk.length) {
      this.#chunk = EMPTY;
      this.#at = 0;
    }
    return readPacket(chunk, start, start + this.#headerBytes, start + bytes);
  }

  #nextOfPartial(): DevicePacket | undefined {
    for (;;) {
      const bytes = this.#measure(this.#partial, 0, this.#partialBytes);
      if (bytes !== undefined && this.#partialBytes === bytes) {
        const packet = this.#partial;
        this.#partial = EMPTY;
        this.#partialBytes = 0;
        this.packetBytes = bytes;
        return readPacket(packet, 0, this.#headerBytes, bytes);
      }
      const left = this.#chunk.length - this.#at;
      if (left === 0) return undefined;
      // Until the header is whole, it is followed byte by byte: it has at most five.
      this.#gather(bytes === undefined ? 1 : Math.min(left, bytes - this.#partialBytes), bytes);
    }
  }

  /** Moves `count` bytes of the chunk to the begin of a packet; `total` is the packet's size where it is known. */
  #gather(count: number, total: number | undefined): void {
    if (count === 0) return;
    const needed = this.#partialBytes + count;
    if (needed > this.#partial.length) {
      const size = Math.max(needed, Math.min(total ?? PARTIAL_BYTES_MIN, Math.max(2 * needed, PARTIAL_BYTES_MIN)));
      const larger = Buffer.allocUnsafeSlow(size);
      this.#partial.copy(larger, 0, 0, this.#partialBytes);
      this.#partial = larger;
    }
    this.#chunk.copy(this.#partial, this.#partialBytes, this.#at, this.#at + count);
    this.#partialBytes = needed;
    this.#at += count;
    if (this.#at === this.#chunk.length) {
      this.#chunk = EMPTY;
      this.#at = 0;
    }
  }

  /** The size of the packet that begins at `start`, or `undefined` when its header is not whole. Sets `#headerBytes`. */
  #measure(bytes: Buffer, start: number, end: number): number | undefined {
    if (start < end && !isFirstByte(bytes[start] ?? 0)) throw malformed('no packet of a device begins so');
    let length = 0;
    for (let index = 0; index < LENGTH_BYTES_MAX; index += 1) {
      const at = start + 1 + index;
      if (at >= end) return undefined;
      const byte = bytes[at] ?? 0;
      length += (byte & 0x7f) << (7 * index);
      if (byte < 0x80) {
        this.#headerBytes = 2 + index;
        const total = this.#headerBytes + length;
        if (total > this.bytesMax) {
          throw new IngestError('packet-size', `A packet has ${total} bytes; ${this.bytesMax} is the most.`);
        }
        return total;
      }
    }
    throw malformed('a remaining length of more than four bytes');
  }
}

const EMPTY = Buffer.alloc(0);
