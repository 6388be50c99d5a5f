import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import kafkajs, { type ISocketFactory, type KafkaConfig, type SASLOptions } from 'kafkajs';
import { createAdmin } from './admin.ts';
import { joinGroup } from './group.ts';
import { ClusterClass, createClusterLogger, toLogCreator } from './kafkajs-internals.ts';
import { createProducer } from './producer.ts';
import { createReader } from './reader.ts';
import { createTransactionalProducer } from './transactional-producer.ts';
import type { Kafka, KafkaOptions } from './types.ts';

const CONNECTION_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 30_000;
const METADATA_MAX_AGE_MS = 60_000;
const KEEP_ALIVE_DELAY_MS = 60_000;
/** Of the client as a whole (connecting, metadata, coordinators): about 20 s of trying, then the caller decides. */
const CLIENT_RETRY = { initialRetryTime: 50, multiplier: 1.6, maxRetryTime: 1_000, retries: 25 };

/** A client of one cluster. Nothing is connected before one of its functions is called. */
export function createKafka(options: KafkaOptions): Kafka {
  const logCreator = toLogCreator(options.logger);
  const ssl =
    typeof options.ssl === 'object'
      ? withoutUndefined({ ca: [options.ssl.ca], cert: options.ssl.cert, key: options.ssl.key })
      : options.ssl;
  const config: KafkaConfig = {
    brokers: [...options.brokers],
    clientId: options.clientId,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    enforceRequestTimeout: true,
    retry: CLIENT_RETRY,
    socketFactory,
    logLevel: kafkajs.logLevel.INFO,
    logCreator,
    ...(ssl === undefined ? {} : { ssl }),
    ...(options.sasl === undefined ? {} : { sasl: options.sasl as SASLOptions }),
  };
  const client = new kafkajs.Kafka(config);
  const createCluster = (isolationLevel: 0 | 1) =>
    new ClusterClass({
      logger: createClusterLogger({ level: kafkajs.logLevel.INFO, logCreator }),
      socketFactory,
      brokers: [...options.brokers],
      ssl: ssl ?? null,
      sasl: options.sasl ?? null,
      clientId: options.clientId,
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      authenticationTimeout: 10_000,
      reauthenticationThreshold: 10_000,
      requestTimeout: REQUEST_TIMEOUT_MS,
      enforceRequestTimeout: true,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      allowAutoTopicCreation: false,
      maxInFlightRequests: null,
      isolationLevel,
      retry: { ...CLIENT_RETRY, retries: 3 },
    });
  return {
    admin: () => createAdmin(client),
    producer: () => createProducer(() => createCluster(1), options.logger),
    transactionalProducer: (producerOptions) => createTransactionalProducer(createCluster(1), producerOptions),
    reader: (readerOptions) =>
      createReader(createCluster(readerOptions.isolation === 'read_committed' ? 1 : 0), readerOptions),
    group: (groupOptions) => joinGroup(client, groupOptions, options.logger),
  };
}

/** As kafkajs's own, plus TCP_NODELAY: with Nagle's algorithm a small request waits for the delayed acknowledgement of the last one. */
const socketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
  const socket = ssl
    ? connectTls({ host, port, servername: host, ...ssl }, onConnect)
    : connectTcp({ host, port }, onConnect);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
  return socket;
};

function withoutUndefined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
