import { connect } from 'node:net';

const ATTEMPT_MS_MAX = 2_000;
const INIT_PRODUCER_ID = 22;
const CORRELATION_ID = 1;
const CLIENT_ID = 'millrace-local-stack';
const TRANSACTION_TIMEOUT_MS = 60_000;

/**
 * Asks a broker for a producer id (InitProducerId, version 0) and resolves to whether it gave one.
 *
 * An open port would be too early: a broker binds it before it processes requests. So would ApiVersions: a new broker
 * answers that, and then tells the first producers that it is still loading, until it has fetched a block of ids from
 * the controller.
 */
export function kafkaAnswers(options: { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(options);
    const finish = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(ATTEMPT_MS_MAX, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('close', () => resolve(false));
    socket.once('connect', () => socket.write(initProducerIdRequest()));
    let received = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      // Response: INT32 size, INT32 correlation id, INT32 throttle time, INT16 error code, ...
      if (received.length >= 14) finish(received.readInt32BE(4) === CORRELATION_ID && received.readInt16BE(12) === 0);
    });
  });
}

/**
 * INT32 size; header version 1: INT16 api key, INT16 version, INT32 correlation id, NULLABLE_STRING client id; body:
 * NULLABLE_STRING transactional id (none), INT32 transaction timeout.
 */
function initProducerIdRequest(): Buffer {
  const clientId = Buffer.from(CLIENT_ID);
  const request = Buffer.alloc(4 + 10 + clientId.length + 6);
  request.writeInt32BE(request.length - 4, 0);
  request.writeInt16BE(INIT_PRODUCER_ID, 4);
  request.writeInt16BE(0, 6);
  request.writeInt32BE(CORRELATION_ID, 8);
  request.writeInt16BE(clientId.length, 12);
  clientId.copy(request, 14);
  request.writeInt16BE(-1, 14 + clientId.length);
  request.writeInt32BE(TRANSACTION_TIMEOUT_MS, 16 + clientId.length);
  return request;
}
