export interface LanesOptions<T> {
  /** Batches on their way at the same time, one per lane. */
  readonly lanes: number;
  readonly batchMax: number;
  /** How long the first item of an idle lane waits for company. */
  readonly lingerMs: number;
  /** Items waiting and on their way, of all lanes; from here on `room` waits. */
  readonly itemsMax: number;
  /** Must not come back before every item is settled. What it throws ends the lanes. */
  send(batch: readonly T[]): Promise<void>;
}

export interface Lanes<T> {
  /** Items waiting and on their way. */
  readonly size: number;
  readonly full: boolean;
  add(key: string, item: T): void;
  /** @throws what `send` threw. */
  check(): void;
  /** Resolves when another item may be added. @throws what `send` threw. */
  room(): Promise<void>;
  /** Resolves when everything is settled. @throws what `send` threw. */
  idle(): Promise<void>;
}

interface Lane<T> {
  items: T[];
  timer: NodeJS.Timeout | undefined;
  sending: boolean;
}

/**
 * Batches in parallel without losing order where it matters: items of one key go into one lane, and a lane sends its
 * next batch when the one before is settled, repetitions included.
 */
export function createLanes<T>(options: LanesOptions<T>): Lanes<T> {
  const lanes = Array.from({ length: options.lanes }, (): Lane<T> => ({ items: [], timer: undefined, sending: false }));
  let size = 0;
  let failure: unknown;
  let waiters: { readonly below: number; readonly wake: () => void }[] = [];

  function wake(): void {
    const ready = waiters.filter(({ below }) => size < below || failure !== undefined);
    waiters = waiters.filter((waiter) => !ready.includes(waiter));
    for (const waiter of ready) waiter.wake();
  }

  async function waitUntilBelow(below: number): Promise<void> {
    while (size >= below && failure === undefined) {
      await new Promise<void>((resolve) => waiters.push({ below, wake: resolve }));
    }
    if (failure !== undefined) throw failure;
  }

  async function run(lane: Lane<T>): Promise<void> {
    clearTimeout(lane.timer);
    lane.timer = undefined;
    if (lane.sending) return;
    lane.sending = true;
    try {
      while (lane.items.length > 0 && failure === undefined) {
        const batch = lane.items.slice(0, options.batchMax);
        lane.items = lane.items.slice(options.batchMax);
        await options.send(batch);
        size -= batch.length;
        wake();
      }
    } catch (error) {
      failure ??= error;
      wake();
    } finally {
      lane.sending = false;
    }
  }

  return {
    get size() {
      return size;
    },
    get full() {
      return size >= options.itemsMax;
    },
    check() {
      if (failure !== undefined) throw failure;
    },
    add(key, item) {
      const lane = lanes[hash(key) % lanes.length];
      if (lane === undefined) throw new RangeError('there are no lanes');
      lane.items.push(item);
      size += 1;
      if (lane.items.length >= options.batchMax) void run(lane);
      else if (!lane.sending) lane.timer ??= setTimeout(() => void run(lane), options.lingerMs);
    },
    room: () => waitUntilBelow(options.itemsMax),
    idle: () => waitUntilBelow(1),
  };
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
