import { createServer as createHttpServer, type Server as HttpServer, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, type SecureContextOptions, TLSSocket, type TlsOptions } from 'node:tls';
import type { Logger } from '@millrace/observability';
import { createWebSocketStream, WebSocketServer } from 'ws';
import type { ClientCertificate } from '../access/api-keys.ts';

/** PEM. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Issuers of devices' certificates; without it none is asked for. */
  readonly clientCa?: Buffer | undefined;
}

/** Ports: 0 picks a free one. */
export interface SocketAddresses {
  readonly host: string;
  readonly port: number;
  readonly webSocketPort: number;
  readonly tls?:
    | (TlsFiles & {
        readonly port: number;
        readonly webSocketPort: number;
        /** Whether a device without a certificate is turned away. */
        readonly clientCertificate: 'required' | 'optional';
      })
    | undefined;
}

/** What is known of the other side before it says anything. */
export interface Peer {
  /** Checked against the issuers. */
  readonly certificate: ClientCertificate | undefined;
}

export interface SocketHandlers {
  readonly onConnection: (stream: Duplex, peer: Peer) => void;
  readonly onRefused: (reason: 'certificate' | 'connections') => void;
  /** Over all ports. */
  readonly connectionsMax: number;
  readonly packetBytesMax: number;
  readonly logger: Logger;
}

export interface SocketPorts {
  readonly port: number;
  readonly webSocketPort: number;
  readonly tlsPort: number | undefined;
  readonly secureWebSocketPort: number | undefined;
  /** Open sockets, those in a handshake included. */
  readonly count: number;
  /** @throws Error when they cannot be used; those before stay in force. */
  useCertificates(files: TlsFiles): void;
  /** Takes no new connections. */
  stop(): void;
  /** Ends those that are left. */
  close(): Promise<void>;
}

const TLS_HANDSHAKE_MS_MAX = 10_000;
/** The head of the request that becomes a WebSocket. */
const UPGRADE_MS_MAX = 10_000;
/** How often Node looks for heads that are late. */
const UPGRADE_CHECK_MS = 2_000;
const UPGRADE_BYTES_MAX = 8 * 1024;
/** When nothing has come for so long, TCP asks whether the other side is still there: some devices keep nothing alive. */
const TCP_KEEP_ALIVE_MS = 60_000;

/** The listening sockets of the MQTT listener: TCP and WebSocket, and with a certificate the same over TLS. */
export async function openSockets(addresses: SocketAddresses, handlers: SocketHandlers): Promise<SocketPorts> {
  const { host, tls } = addresses;
  const { logger, connectionsMax } = handlers;
  const sockets = new Set<Socket>();
  const streams = new Set<Duplex>();
  const noDelay = { noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS };

  /** Counts a connection from its first moment: a handshake that never ends holds memory as well. */
  function admit(socket: Socket): void {
    if (sockets.size >= connectionsMax) {
      handlers.onRefused('connections');
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  }

  function accept(stream: Duplex, socket: Socket): void {
    const certificate = socket instanceof TLSSocket ? certificateOf(socket) : undefined;
    if (certificate === 'invalid') {
      handlers.onRefused('certificate');
      socket.destroy();
      return;
    }
    streams.add(stream);
    stream.once('close', () => streams.delete(stream));
    handlers.onConnection(stream, { certificate });
  }

  function serveWebSockets(server: HttpServer): void {
    const webSockets = new WebSocketServer({
      server,
      maxPayload: handlers.packetBytesMax,
      perMessageDeflate: false,
      // [MQTT-6.0.0-3] the client offers "mqtt", [MQTT-6.0.0-4] and the server chooses it.
      handleProtocols: (offered) => (offered.has('mqtt') ? 'mqtt' : false),
    });
    // It repeats the errors of its HTTP server, which are handled there.
    webSockets.on('error', (error) => logger.debug({ err: error }, 'the WebSocket server failed'));
    webSockets.on('connection', (socket, request) => accept(createWebSocketStream(socket), request.socket));
  }

  const head = { headersTimeout: UPGRADE_MS_MAX, connectionsCheckingInterval: UPGRADE_CHECK_MS, ...noDelay };
  const http = { ...head, requestTimeout: UPGRADE_MS_MAX, maxHeaderSize: UPGRADE_BYTES_MAX };
  const tlsOptions =
    tls &&
    ({
      ...contextOptions(tls),
      handshakeTimeout: TLS_HANDSHAKE_MS_MAX,
      requestCert: tls.clientCa !== undefined,
      rejectUnauthorized: tls.clientCa !== undefined && tls.clientCertificate === 'required',
    } satisfies TlsOptions);
  const plain = createTcpServer(noDelay, (socket) => accept(socket, socket));
  const webSocket = createHttpServer(http, upgradeRequired);
  const secure = tlsOptions && createTlsServer({ ...noDelay, ...tlsOptions }, (socket) => accept(socket, socket));
  const secureWebSocket = tlsOptions && createHttpsServer({ ...http, ...tlsOptions }, upgradeRequired);
  for (const server of [webSocket, secureWebSocket]) if (server !== undefined) serveWebSockets(server);
  const tlsServers = [secure, secureWebSocket].filter((server) => server !== undefined);
  const servers: Server[] = [plain, webSocket, ...tlsServers];
  for (const server of servers) server.on('connection', admit);
  for (const server of tlsServers) {
    server.on('tlsClientError', (error) => logger.debug({ err: error }, 'a TLS handshake failed'));
  }

  const stop = () => {
    for (const server of servers) server.close();
  };
  const close = async () => {
    for (const stream of streams) stream.destroy();
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.map((server) => (server.listening ? closed(server) : undefined)));
  };
  try {
    const port = await listen(plain, host, addresses.port, 'MQTT_PORT');
    const webSocketPort = await listen(webSocket, host, addresses.webSocketPort, 'MQTT_WS_PORT');
    const tlsPort = secure && tls && (await listen(secure, host, tls.port, 'MQTT_TLS_PORT'));
    const secureWebSocketPort =
      secureWebSocket && tls && (await listen(secureWebSocket, host, tls.webSocketPort, 'MQTT_WSS_PORT'));
    for (const server of servers) {
      server.on('error', (error) => logger.error({ err: error }, 'an MQTT socket failed'));
    }
    const useCertificates = (files: TlsFiles) => {
      for (const server of tlsServers) server.setSecureContext(contextOptions(files));
    };
    return {
      ...{ port, webSocketPort, tlsPort, secureWebSocketPort, useCertificates, stop, close },
      get count() {
        return sockets.size;
      },
    };
  } catch (error) {
    stop();
    throw error;
  }
}

function contextOptions({ cert, key, clientCa }: TlsFiles): SecureContextOptions {
  return { cert, key, minVersion: 'TLSv1.2', ...(clientCa && { ca: clientCa }) };
}

function upgradeRequired(_request: unknown, response: ServerResponse): void {
  response.writeHead(426, { 'content-type': 'text/plain' }).end('This port speaks MQTT over WebSocket.\n');
}

/** `invalid` for one that no known issuer has signed, or that is not valid now; `undefined` when there is none. */
function certificateOf(socket: TLSSocket): ClientCertificate | undefined | 'invalid' {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  if (!socket.authorized) return 'invalid';
  const { CN: commonName } = socket.getPeerCertificate().subject;
  return {
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    commonName: typeof commonName === 'string' ? commonName : undefined,
  };
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
