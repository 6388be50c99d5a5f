import { createServer } from 'node:net';

/** Every port of a stack. `docs` and the services use these names. */
export interface StackPorts {
  readonly ingest: number;
  readonly api: number;
  readonly mqtt: number;
  readonly mqttWebSocket: number;
  readonly mqttTls: number;
  readonly kafka: number;
  readonly kafkaController: number;
  readonly clickhouse: number;
  readonly metrics: {
    readonly ingest: number;
    readonly enricher: number;
    readonly 'fraud-detector': number;
    readonly sink: number;
    readonly api: number;
  };
}

/** The last offset from a port base; `--port-base` plus this must still be a port. */
export const PORT_OFFSET_MAX = 15;

/** The well-known ports, or, with a base, the same in one block, so that two stacks can live side by side. */
export function stackPorts(base?: number): StackPorts {
  const at = (wellKnown: number, offset: number): number => (base === undefined ? wellKnown : base + offset);
  return {
    ingest: at(8080, 0),
    api: at(8090, 1),
    mqtt: at(1883, 2),
    mqttWebSocket: at(8083, 3),
    mqttTls: at(8883, 4),
    kafka: at(9092, 5),
    kafkaController: at(9093, 6),
    clickhouse: at(8123, 7),
    metrics: {
      ingest: at(9401, 11),
      enricher: at(9402, 12),
      'fraud-detector': at(9403, 13),
      sink: at(9404, 14),
      api: at(9405, PORT_OFFSET_MAX),
    },
  };
}

/** Resolves to whether nobody listens on a port of the loopback address. */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else reject(error);
    });
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

/** Some ports that are free now, all different; whoever wants one should take it soon. */
export async function freePorts(count: number, host = '127.0.0.1'): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer();
          server.once('error', reject);
          server.listen(0, host, () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
