import { TokenBucket } from '../access/token-bucket.ts';

/** What one device may send, over all its connections; as much as a second's worth may come at once. */
export interface DeviceRate {
  readonly packetsPerSecond: number;
  readonly bytesPerSecond: number;
}

/**
 * Two buckets, of packets and of bytes. What has come is taken from both, also when that leaves a debt; while there is
 * one, nothing more is read from the device, so over any longer time both rates hold, whatever the size of a packet.
 */
export class DeviceAllowance {
  readonly #packets: TokenBucket;
  readonly #bytes: TokenBucket;

  constructor({ packetsPerSecond, bytesPerSecond }: DeviceRate, nowMs: number) {
    this.#packets = new TokenBucket({ eventsPerSecond: packetsPerSecond, burstEvents: packetsPerSecond }, nowMs);
    this.#bytes = new TokenBucket({ eventsPerSecond: bytesPerSecond, burstEvents: bytesPerSecond }, nowMs);
  }

  take(bytes: number): void {
    this.#packets.take(1);
    this.#bytes.take(bytes);
  }

  /** How long the device has to wait before more of it is read; 0 when it need not. */
  waitMs(nowMs: number): number {
    const packets = this.#packets.left(nowMs) >= 1 ? 0 : this.#packets.msUntil(1);
    const bytes = this.#bytes.left(nowMs) >= 1 ? 0 : this.#bytes.msUntil(1);
    return Math.max(packets, bytes);
  }

  /** Whether it is as a new one would be, and so need not be remembered. */
  isFull(nowMs: number): boolean {
    const isFull = (bucket: TokenBucket) => bucket.left(nowMs) >= bucket.limit.burstEvents;
    return isFull(this.#packets) && isFull(this.#bytes);
  }
}
