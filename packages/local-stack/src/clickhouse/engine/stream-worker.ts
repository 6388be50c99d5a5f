// A worker thread that runs streaming queries; see stream-pool.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { CONNECTION_ARGS, loadAddon, type NativeConnection, type NativeStream } from './addon.ts';

export type StreamCommand =
  | {
      readonly kind: 'open';
      readonly id: number;
      readonly preamble: string;
      readonly sql: string;
      readonly format: string;
    }
  | { readonly kind: 'next'; readonly id: number }
  | { readonly kind: 'cancel'; readonly id: number }
  /** Cancels all streams; the thread ends when the last native call has. */
  | { readonly kind: 'close' };

export type StreamAnswer =
  | { readonly kind: 'chunk'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: 'end'; readonly id: number }
  | { readonly kind: 'error'; readonly id: number; readonly message: string };

interface OpenStream {
  readonly connection: NativeConnection;
  stream: NativeStream | undefined;
  /** A native call is on a thread of the pool: the connection must not be closed under it. */
  isBusy: boolean;
  isCancelled: boolean;
}

const { dataDir } = workerData as { dataDir: string };
const port = parentPort;
if (port === null) throw new Error('stream-worker.ts is run as a worker thread');
const addon = loadAddon();
const streams = new Map<number, OpenStream>();
let isClosing = false;

port.on('message', (command: StreamCommand) => {
  switch (command.kind) {
    case 'open':
      return void open(command);
    case 'next':
      return void fetchNext(command.id);
    case 'cancel':
      return cancel(command.id);
    case 'close':
      isClosing = true;
      for (const id of [...streams.keys()]) cancel(id);
      return endIfIdle();
  }
});

async function open(command: Extract<StreamCommand, { kind: 'open' }>): Promise<void> {
  const opened: OpenStream = {
    connection: addon.CreateConnection(dataDir, CONNECTION_ARGS),
    stream: undefined,
    isBusy: true,
    isCancelled: false,
  };
  streams.set(command.id, opened);
  try {
    // Streaming takes a single statement, so what prepares it runs on its own.
    await addon.QueryAsyncConnection(opened.connection, command.preamble, 'Null');
    opened.stream = addon.StreamQuery(opened.connection, command.sql, command.format);
  } catch (error) {
    return fail(command.id, error);
  }
  await fetchNext(command.id);
}

async function fetchNext(id: number): Promise<void> {
  const opened = streams.get(id);
  if (opened?.stream === undefined) return;
  if (opened.isCancelled) return discard(id, opened);
  opened.isBusy = true;
  try {
    const { bytes, done } = await addon.StreamFetch(opened.stream);
    opened.isBusy = false;
    if (done) {
      release(id, opened);
      answer({ kind: 'end', id });
    } else if (opened.isCancelled) discard(id, opened);
    else answer({ kind: 'chunk', id, bytes });
  } catch (error) {
    fail(id, error);
  }
}

function cancel(id: number): void {
  const opened = streams.get(id);
  if (opened === undefined) return;
  opened.isCancelled = true;
  if (!opened.isBusy) discard(id, opened);
}

function discard(id: number, opened: OpenStream): void {
  if (opened.stream !== undefined) addon.StreamCancel(opened.stream);
  release(id, opened);
}

function fail(id: number, error: unknown): void {
  const opened = streams.get(id);
  if (opened !== undefined) release(id, opened);
  answer({ kind: 'error', id, message: error instanceof Error ? error.message : String(error) });
}

function release(id: number, opened: OpenStream): void {
  streams.delete(id);
  addon.CloseConnection(opened.connection);
  endIfIdle();
}

function endIfIdle(): void {
  if (isClosing && streams.size === 0) port?.close();
}

function answer(message: StreamAnswer): void {
  const bytes = message.kind === 'chunk' ? message.bytes.buffer : undefined;
  port?.postMessage(message, bytes instanceof ArrayBuffer ? [bytes] : []);
}
