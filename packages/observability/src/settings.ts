import { Type } from 'typebox';
import { LOG_LEVELS } from './logger.ts';

/**
 * The settings that several services have, said once. A service's `config.ts` picks from them:
 * `Type.Object({ ...settings.kafka, ...settings.process, ...settings.metricsPort(9404), ... })`.
 */
export const settings = {
  kafka: {
    KAFKA_BROKERS: Type.Array(Type.String({ pattern: '^[^\\s:]+:\\d+$' }), {
      default: ['127.0.0.1:9092'],
      minItems: 1,
      unit: 'host:port',
      description: 'Kafka brokers to start from.',
    }),
    TOPIC_PREFIX: Type.String({
      default: '',
      pattern: '^[A-Za-z0-9._-]*$',
      description: 'Put in front of every topic name, so that several pipelines can share a cluster.',
    }),
    TOPIC_PARTITIONS: Type.Integer({
      default: 4,
      minimum: 1,
      maximum: 1024,
      unit: 'partitions',
      description: 'Partitions of every topic that meets another in a join. The same in all services, for ever.',
    }),
  },
  /** How a function that runs far from its brokers gets to them. */
  kafkaAccess: {
    KAFKA_TLS: Type.Boolean({
      default: false,
      description: 'Whether the brokers speak TLS, with a public certificate.',
    }),
    KAFKA_SASL_USERNAME: Type.Optional(
      Type.String({ minLength: 1, description: 'User of SASL/SCRAM (SHA-512), where the brokers want one.' }),
    ),
    KAFKA_SASL_PASSWORD: Type.Optional(
      Type.String({ minLength: 1, secret: true, description: 'Password of that user.' }),
    ),
  },
  /** Of a function that is called with records of Kafka. */
  kafkaEvents: {
    RECORD_AGE_MS_MAX: Type.Optional(
      Type.Integer({
        minimum: 1_000,
        unit: 'ms',
        description: 'Records with an older timestamp are not processed, but put aside as too-old. Not set: any age.',
      }),
    ),
    ON_FAILURE_TOPIC: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9._-]{1,249}$',
        description: 'Topic for what is too old; it must exist. Not set: dead-letters.',
      }),
    ),
  },
  clickhouse: {
    CLICKHOUSE_URL: Type.String({
      default: 'http://127.0.0.1:8123',
      pattern: '^https?://\\S+$',
      unit: 'URL',
      description: 'HTTP interface of ClickHouse; user and password go into the URL.',
      secret: true,
    }),
    CLICKHOUSE_DATABASE: Type.String({
      default: 'millrace',
      pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
      description: 'Database that holds the tables.',
    }),
  },
  streams: {
    STANDBYS: Type.Integer({
      default: 0,
      minimum: 0,
      maximum: 3,
      unit: 'instances',
      description:
        'Other instances that keep the state of each partition warm, so that one of them takes over without a restore. Each costs the memory of that state once more.',
    }),
    STATE_READ: Type.Boolean({
      default: false,
      description:
        'Lets anyone who reaches METRICS_PORT look into the stores (/state): personal data. On loopback that is so in any case.',
    }),
  },
  process: {
    LOG_LEVEL: Type.Enum([...LOG_LEVELS], { default: 'info', description: 'Least severe level that is logged.' }),
    HOST: Type.String({
      default: '127.0.0.1',
      description: 'Address to listen on. Loopback needs no credentials; anything else is refused without them.',
    }),
  },
  metricsPort: (port: number) => ({
    METRICS_PORT: Type.Integer({
      default: port,
      minimum: 0,
      maximum: 65_535,
      unit: 'port, 0 for any free one',
      description: 'Port of /metrics, /health/live and /health/ready.',
    }),
  }),
  httpPort: (port: number) => ({
    HTTP_PORT: Type.Integer({
      default: port,
      minimum: 0,
      maximum: 65_535,
      unit: 'port, 0 for any free one',
      description: 'Port of the HTTP interface.',
    }),
  }),
} as const;

/** The settings `kafkaAccess` as options of a Kafka client. */
export function kafkaAccessOf(config: {
  readonly KAFKA_TLS: boolean;
  readonly KAFKA_SASL_USERNAME?: string;
  readonly KAFKA_SASL_PASSWORD?: string;
}) {
  const { KAFKA_TLS: ssl, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = config;
  if (username === undefined || password === undefined) return { ssl };
  return { ssl, sasl: { mechanism: 'scram-sha-512', username, password } as const };
}
