import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOPBACK = '127.0.0.1';

/** How a line is slowed: every chunk that is read (up to 64 KiB) waits so long, and as long as its bytes take. */
export interface Slowness {
  readonly latencyMs: number;
  readonly bytesPerSecond: number;
}

/** Which way nothing gets through: `answers` is the nasty one, because what was asked has been done. */
export type Stalled = 'both' | 'answers';

interface Line {
  readonly client: Socket;
  readonly server: Socket;
}

/**
 * A TCP proxy on loopback that can be told to misbehave. Left alone it forwards both ways with backpressure, and hands on
 * how a connection ends.
 */
export class TcpProxy {
  readonly port: number;
  readonly #targetPort: number;
  readonly #lines = new Set<Line>();
  #bytes = 0;
  #server: Server | undefined;
  #slowness: Slowness | undefined;
  #stalled: Stalled | undefined;
  /** Resolved while nothing is stalled. */
  #flows: PromiseWithResolvers<void> = flowing();
  /** Resolved while nothing is slowed. */
  #hurries: PromiseWithResolvers<void> = flowing();

  /** @param ports where clients connect, and where they are led to */
  constructor(ports: { readonly listen: number; readonly target: number }) {
    this.port = ports.listen;
    this.#targetPort = ports.target;
  }

  get connections(): number {
    return this.#lines.size;
  }

  /** That have come from either side so far, whatever became of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Begins to take connections, for the first time or after `refuse`. */
  async listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (client) => this.#lead(client));
    this.#server = server;
    server.listen(this.port, LOOPBACK);
    await once(server, 'listening');
  }

  /** Nobody can connect any more, and who is connected is cut off. */
  async refuse(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, 'close');
    server.close();
    this.cut('reset');
    await closed;
  }

  /** Ends every connection, by a reset or in good order, in the middle of whatever it carries. Returns how many. */
  cut(how: 'reset' | 'end'): number {
    const lines = [...this.#lines];
    for (const line of lines) end(line, how);
    return lines.length;
  }

  /** Nothing gets through, while connections stay open and new ones are taken. */
  stall(stalled: Stalled): void {
    this.#stalled = stalled;
    this.#flows = Promise.withResolvers();
  }

  slow(slowness: Slowness): void {
    this.#slowness = slowness;
    this.#hurries = Promise.withResolvers();
  }

  /** Forwards as if nothing had been. What was held back by a stall arrives now. */
  flow(): void {
    this.#slowness = undefined;
    this.#stalled = undefined;
    this.#flows.resolve();
    this.#hurries.resolve();
  }

  async close(): Promise<void> {
    this.flow();
    await this.refuse();
  }

  #lead(client: Socket): void {
    const server = connect({ port: this.#targetPort, host: LOOPBACK, allowHalfOpen: true });
    const line = { client, server };
    this.#lines.add(line);
    for (const socket of [client, server]) socket.setNoDelay(true);
    const ways = [pipeline(client, this.#held('questions'), server), pipeline(server, this.#held('answers'), client)];
    // When one way breaks, the connection is over; when it ends in good order, the other way may still go on.
    for (const way of ways) way.catch(() => end(line, 'reset'));
    void Promise.allSettled(ways).then(() => {
      this.#lines.delete(line);
      end(line, 'end');
    });
  }

  #held(way: 'questions' | 'answers'): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        this.#bytes += chunk.length;
        this.#pass(way, chunk.length).then(() => done(null, chunk), done);
      },
    });
  }

  async #pass(way: 'questions' | 'answers', bytes: number): Promise<void> {
    const slowness = this.#slowness;
    if (slowness !== undefined) {
      const waitMs = slowness.latencyMs + (bytes / slowness.bytesPerSecond) * 1_000;
      await Promise.race([sleep(waitMs, undefined, { ref: false }), this.#hurries.promise]);
    }
    while (this.#stalled === 'both' || this.#stalled === way) await this.#flows.promise;
  }
}

function flowing(): PromiseWithResolvers<void> {
  const flows = Promise.withResolvers<void>();
  flows.resolve();
  return flows;
}

function end({ client, server }: Line, how: 'reset' | 'end'): void {
  for (const socket of [client, server]) {
    // A socket that is being shut down cannot be reset (libuv answers EINVAL); Node then never closes its handle, and the
    // process waits for it in vain at its very end.
    if (how === 'reset' && !socket.writableEnded) socket.resetAndDestroy();
    else socket.destroy();
  }
}
