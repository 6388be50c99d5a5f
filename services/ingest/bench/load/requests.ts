import { connect, type Socket } from 'node:net';
import { type EventTemplate, writeNumber } from './events.ts';
import { type Meter, pace } from './meter.ts';
import type { LoadTask } from './task.ts';

/** Something under way that can be told to send no more; resolves when all that was sent has been answered. */
export interface Load {
  stop(): Promise<void>;
}

/** An answer of either server is some hundred bytes. */
const READ_BYTES = 4_096;

/**
 * Payments over HTTP/1.1 on kept connections, one request under way on each. What goes out is serialised beforehand,
 * numbers are written in place, and of the answers only status and length are read, so that little of the two cores goes
 * to this side.
 */
export async function startRequests(task: LoadTask, payments: readonly EventTemplate[], meter: Meter): Promise<Load> {
  const { eventsPerRequest: count } = task;
  const waiting: number[] = [];
  const idle: Connection[] = [];
  let running = true;
  let underWay = 0;
  let settled = (): void => undefined;

  const onAnswer = (connection: Connection, status: number): void => {
    underWay -= 1;
    if (status === 202) meter.acknowledged(connection.first, count, performance.now() - connection.dueMs);
    else meter.refused();
    const dueMs = task.eventsPerSecond === undefined ? performance.now() : waiting.shift();
    if (running && dueMs !== undefined) send(connection, dueMs);
    else idle.push(connection);
    if (!running && underWay === 0) settled();
  };
  const send = (connection: Connection, dueMs: number): void => {
    underWay += 1;
    connection.send(meter.take(count), dueMs);
  };

  const connections = await Promise.all(
    Array.from({ length: task.connections }, async (_, index) => {
      const socket = await open(task.port);
      return new Connection(socket, createRequest(task, payments, index * count), onAnswer);
    }),
  );
  let stopPacing = (): void => undefined;
  if (task.eventsPerSecond === undefined) for (const connection of connections) send(connection, performance.now());
  else {
    idle.push(...connections);
    stopPacing = pace(task.eventsPerSecond / count, (dueMs) => {
      const connection = idle.pop();
      if (connection === undefined) waiting.push(dueMs);
      else send(connection, dueMs);
    });
  }
  return {
    async stop() {
      running = false;
      stopPacing();
      if (underWay > 0) {
        await new Promise<void>((resolve) => {
          settled = resolve;
        });
      }
      for (const connection of connections) connection.close();
    },
  };
}

interface Request {
  readonly bytes: Buffer;
  /** Where the number of each event is written. */
  readonly numbersAt: readonly number[];
}

function createRequest(task: LoadTask, payments: readonly EventTemplate[], offset: number): Request {
  const events = Array.from(
    { length: task.eventsPerRequest },
    (_, index) => payments[(offset + index) % payments.length],
  );
  const lineEnd = task.kind === 'ndjson' ? '\n' : '';
  const length = events.reduce((sum, event) => sum + (event?.json.length ?? 0) + lineEnd.length, 0);
  const contentType = task.kind === 'ndjson' ? 'application/x-ndjson' : 'application/json';
  const head = [
    'POST /v1/payments HTTP/1.1',
    `Host: 127.0.0.1:${task.port}`,
    `Content-Type: ${contentType}`,
    `Content-Length: ${length}`,
  ];
  const parts: Buffer[] = [Buffer.from(`${head.join('\r\n')}\r\n\r\n`)];
  const numbersAt: number[] = [];
  let at = parts[0]?.length ?? 0;
  for (const event of events) {
    if (event === undefined) throw new Error('no payments to send');
    // The run's id is the same in all of them; only the number is written anew.
    numbersAt.push(at + event.numberAt);
    parts.push(event.json, Buffer.from(lineEnd));
    at += event.json.length + lineEnd.length;
  }
  return { bytes: Buffer.concat(parts), numbersAt };
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BYTES),
        callback: (length, buffer) => {
          socket.emit('bytes', (buffer as Buffer).subarray(0, length));
          return true;
        },
      },
    });
    socket.once('error', reject);
    socket.once('connect', () => resolve(socket));
  });
}

class Connection {
  first = 0;
  dueMs = 0;
  readonly #socket: Socket;
  readonly #request: Request;
  readonly #onAnswer: (connection: Connection, status: number) => void;
  #held: Buffer | undefined;
  #closing = false;

  constructor(socket: Socket, request: Request, onAnswer: (connection: Connection, status: number) => void) {
    this.#socket = socket;
    this.#request = request;
    this.#onAnswer = onAnswer;
    socket.on('bytes', (bytes: Buffer) => this.#read(bytes));
    socket.on('close', () => {
      if (!this.#closing) throw new Error('the server has closed a connection');
    });
  }

  /** The last request has been answered, so its bytes have left and may be written over. */
  send(first: number, dueMs: number): void {
    this.first = first;
    this.dueMs = dueMs;
    const { bytes, numbersAt } = this.#request;
    for (let index = 0; index < numbersAt.length; index += 1) writeNumber(bytes, numbersAt[index] ?? 0, first + index);
    this.#socket.write(bytes);
  }

  close(): void {
    this.#closing = true;
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    const all = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes]);
    const headEnd = all.indexOf('\r\n\r\n');
    const length = headEnd === -1 ? Number.POSITIVE_INFINITY : contentLength(all, headEnd);
    if (all.length < headEnd + 4 + length) {
      this.#held = Buffer.from(all);
      return;
    }
    this.#held = undefined;
    // `HTTP/1.1 202 `
    this.#onAnswer(this, Number(all.toString('latin1', 9, 12)));
  }
}

function contentLength(answer: Buffer, headEnd: number): number {
  const match = /\ncontent-length: *([0-9]+)/i.exec(answer.toString('latin1', 0, headEnd));
  if (match === null) throw new Error('an answer without Content-Length');
  return Number(match[1]);
}
