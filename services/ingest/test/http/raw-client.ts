import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import type { FastifyInstance } from 'fastify';

export interface RawClient {
  write(bytes: string | Buffer): void;
  end(): void;
  /** Everything that came back, once the server has closed its side or the connection is broken. */
  readonly answer: Promise<string>;
  /** What came back up to now. */
  soFar(): string;
  /** Resolves when what came back matches. */
  until(pattern: RegExp): Promise<void>;
}

/** Bytes to and from a listening app, as they are. */
export async function openRawClient(t: TestContext, app: FastifyInstance): Promise<RawClient> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new Error('the app does not listen on a port');
  const socket = connect({ host: '127.0.0.1', port: address.port, allowHalfOpen: true });
  t.after(() => socket.destroy());
  let received = '';
  let changed = () => {};
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text;
    changed();
  });
  const answer = new Promise<string>((resolve) => {
    for (const event of ['end', 'close', 'error']) socket.once(event, () => resolve(received));
    socket.once('end', () => socket.end());
  });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return {
    write: (bytes) => {
      socket.write(bytes);
    },
    end: () => {
      socket.end();
    },
    answer,
    soFar: () => received,
    until: (pattern) =>
      new Promise((resolve) => {
        changed = () => {
          if (pattern.test(received)) resolve();
        };
        changed();
      }),
  };
}
