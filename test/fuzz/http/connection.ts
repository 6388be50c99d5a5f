import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** How much of an answer is kept. */
const RECEIVED_MAX = 4_096;

/** A connection to an HTTP port, for bytes that no HTTP client would send. */
export interface Connection {
  /** Resolves when there is room for more, or nobody to read it. */
  write(bytes: string | Buffer): Promise<void>;
  /** The beginning of what came back up to now, as Latin-1. */
  received(): string;
  isClosed(): boolean;
  /** Resolves when the other side has ended it. */
  readonly closed: Promise<void>;
  destroy(): void;
}

/** Resolves when the connection is open, or at once refused. */
export async function openConnection(url: string): Promise<Connection> {
  const { hostname: host, port } = new URL(url);
  const socket = connect({ host, port: Number(port) });
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    if (received.length < RECEIVED_MAX) received += text;
  });
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  // A reset is an answer, too: 'close' follows.
  socket.on('error', () => socket.destroy());
  await Promise.race([once(socket, 'connect'), closed]);
  return {
    write: (bytes) => write(socket, bytes, closed),
    received: () => received,
    isClosed: () => socket.destroyed || socket.readableEnded,
    closed,
    destroy: () => socket.destroy(),
  };
}

async function write(socket: Socket, bytes: string | Buffer, closed: Promise<void>): Promise<void> {
  if (!socket.writable || socket.write(bytes)) return;
  await Promise.race([new Promise<void>((resolve) => socket.once('drain', () => resolve())), closed]);
}

/** The status of the first answer in what came back. */
export function statusOf(received: string): number | undefined {
  const status = /^HTTP\/1\.1 (\d{3})/.exec(received)?.[1];
  return status === undefined ? undefined : Number(status);
}
