import { connect } from 'node:net';

const ATTEMPT_MS_MAX = 2_000;
/** ApiVersions, version 0: the one request that every Kafka answers before anything else is agreed upon. */
const API_VERSIONS = 18;
const CORRELATION_ID = 1;

/**
 * Asks a broker for its API versions and resolves to whether it answered. A broker binds its port before it processes
 * requests, so an open port alone would be too early.
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
    socket.once('connect', () => socket.write(apiVersionsRequest()));
    let received = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      // Response: INT32 size, INT32 correlation id, INT16 error code, ...
      if (received.length >= 8) finish(received.readInt32BE(4) === CORRELATION_ID);
    });
  });
}

/** Request header version 1: INT32 size, INT16 api key, INT16 version, INT32 correlation id, NULLABLE_STRING client id. */
function apiVersionsRequest(): Buffer {
  const clientId = Buffer.from('millrace-local-stack');
  const request = Buffer.alloc(4 + 10 + clientId.length);
  request.writeInt32BE(request.length - 4, 0);
  request.writeInt16BE(API_VERSIONS, 4);
  request.writeInt16BE(0, 6);
  request.writeInt32BE(CORRELATION_ID, 8);
  request.writeInt16BE(clientId.length, 12);
  clientId.copy(request, 14);
  return request;
}
