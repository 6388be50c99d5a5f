import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import type { Logger } from '@millrace/observability';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { limitPacketSize } from './packet-limit.ts';

/** Ports: 0 picks a free one. */
export interface SocketAddresses {
  readonly host: string;
  readonly port: number;
  readonly webSocketPort: number;
  readonly tls?: { readonly port: number; readonly cert: Buffer; readonly key: Buffer } | undefined;
}

export interface SocketHandlers {
  readonly onConnection: (stream: Duplex, request?: IncomingMessage) => void;
  readonly onTooLarge: () => void;
  readonly logger: Logger;
}

export interface SocketPorts {
  readonly port: number;
  readonly webSocketPort: number;
  readonly tlsPort: number | undefined;
  /** Takes no new connections. */
  stop(): void;
  /** Ends those that are left. */
  close(): Promise<void>;
}

/** A PUBLISH with 500 readings of a dozen metrics is under 200 KiB. */
export const PACKET_BYTES_MAX = 256 * 1024;
/** Per listening socket. */
const CONNECTIONS_MAX = 20_000;
const TLS_HANDSHAKE_MS_MAX = 10_000;
/** The head of the request that becomes a WebSocket. */
const UPGRADE_MS_MAX = 10_000;

/** The listening sockets of the MQTT listener: TCP, WebSocket, and TLS when there is a certificate. */
export async function openSockets(addresses: SocketAddresses, handlers: SocketHandlers): Promise<SocketPorts> {
  const { host, tls } = addresses;
  const { logger } = handlers;
  const streams = new Set<Duplex>();

  function accept(stream: Duplex, request?: IncomingMessage): void {
    streams.add(stream);
    stream.once('close', () => streams.delete(stream));
    limitPacketSize(stream, PACKET_BYTES_MAX, () => {
      handlers.onTooLarge();
      stream.destroy();
    });
    handlers.onConnection(stream, request);
  }

  const tcp = createTcpServer({ noDelay: true, keepAlive: true }, (socket) => accept(socket));
  const http = createHttpServer({ headersTimeout: UPGRADE_MS_MAX, noDelay: true }, (_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain' }).end('This port speaks MQTT over WebSocket.\n');
  });
  const webSockets = new WebSocketServer({
    server: http,
    maxPayload: PACKET_BYTES_MAX,
    perMessageDeflate: false,
    // [MQTT-6.0.0-3] the client offers "mqtt", [MQTT-6.0.0-4] and the server chooses it.
    handleProtocols: (offered) => (offered.has('mqtt') ? 'mqtt' : false),
  });
  // It repeats the errors of its HTTP server, which are handled there.
  webSockets.on('error', (error) => logger.debug({ err: error }, 'the WebSocket server failed'));
  webSockets.on('connection', (socket, request) => accept(createWebSocketStream(socket), request));
  const secure =
    tls &&
    createTlsServer(
      { cert: tls.cert, key: tls.key, minVersion: 'TLSv1.2', handshakeTimeout: TLS_HANDSHAKE_MS_MAX, noDelay: true },
      (socket) => accept(socket),
    );
  secure?.on('tlsClientError', (error) => logger.debug({ err: error }, 'a TLS handshake failed'));

  const servers: Server[] = [tcp, http, ...(secure ? [secure] : [])];
  const stop = () => {
    for (const server of servers) server.close();
  };
  const close = async () => {
    for (const stream of streams) stream.destroy();
    http.closeAllConnections();
    await Promise.all(servers.map((server) => (server.listening ? closed(server) : undefined)));
  };
  try {
    const port = await listen(tcp, host, addresses.port, 'MQTT_PORT');
    const webSocketPort = await listen(http, host, addresses.webSocketPort, 'MQTT_WS_PORT');
    const tlsPort = secure && (await listen(secure, host, tls.port, 'MQTT_TLS_PORT'));
    for (const server of servers) {
      server.maxConnections = CONNECTIONS_MAX;
      server.on('error', (error) => logger.error({ err: error }, 'an MQTT socket failed'));
    }
    return { port, webSocketPort, tlsPort, stop, close };
  } catch (error) {
    stop();
    throw error;
  }
}

function listen(server: Server, host: string, port: number, setting: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException) => {
      const remedy =
        cause.code === 'EADDRINUSE' ? `Port ${port} is taken. Set ${setting} to a free port.` : cause.message;
      reject(new Error(`Cannot listen for MQTT on ${host}:${port}. ${remedy}`, { cause }));
    };
    server.once('error', onError);
    server.listen(port, host, () => {
      server.removeListener('error', onError);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
