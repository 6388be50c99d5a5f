import { type ConfigFault, isLoopback, loadConfig, settings } from '@millrace/observability';
import Type, { type Static } from 'typebox';

const port = (description: string, byDefault: number) =>
  Type.Integer({ default: byDefault, minimum: 0, maximum: 65_535, unit: 'port, 0 for any free one', description });
const file = (description: string) => Type.Optional(Type.String({ minLength: 1, unit: 'path', description }));

/** Fine on one machine, where cards are made up and nobody else listens; refused on any other address. */
const LAPTOP_CARD_TOKEN_SECRET = 'millrace-laptop-card-token-secret';

export const configSchema = Type.Object({
  ...settings.kafka,
  ...settings.process,
  ...settings.httpPort(8080),
  ...settings.metricsPort(9401),
  MQTT_PORT: port('Port of the MQTT listener (TCP).', 1883),
  MQTT_WS_PORT: port('Port of the MQTT listener over WebSocket.', 8083),
  MQTT_TLS_PORT: port('Port of the MQTT listener over TLS; open when the two files below are given.', 8883),
  MQTT_WSS_PORT: port(
    'Port of the MQTT listener over WebSocket and TLS; open when the two files below are given.',
    8084,
  ),
  MQTT_TLS_CERT_FILE: file('Certificate chain of the TLS ports (PEM). Read again when it changes.'),
  MQTT_TLS_KEY_FILE: file('Private key of the TLS ports (PEM). Read again when it changes.'),
  MQTT_TLS_CLIENT_CA_FILE: file(
    'Issuers of certificates of devices (PEM), which stand for user name and password. Read again when it changes.',
  ),
  MQTT_TLS_CLIENT_CERT: Type.Enum(['optional', 'required'], {
    default: 'optional',
    description: 'Whether a device without a certificate is turned away at the TLS ports, or may use its password.',
  }),
  MQTT_CONNECTIONS_MAX: Type.Integer({
    default: 20_000,
    minimum: 1,
    maximum: 1_000_000,
    unit: 'connections',
    description: 'Connections to the MQTT ports together; one more is closed at once.',
  }),
  MQTT_IN_FLIGHT_MAX: Type.Integer({
    default: 200,
    minimum: 1,
    maximum: 65_535,
    unit: 'messages',
    description: 'Messages of one connection on their way into Kafka; with as many, nothing more is read from it.',
  }),
  MQTT_DEVICE_PACKETS_PER_SECOND: Type.Integer({
    default: 1_000,
    minimum: 1,
    maximum: 1_000_000,
    unit: 'packets per second',
    description: 'What is read from one device over MQTT; as much may come at once after a pause.',
  }),
  MQTT_DEVICE_BYTES_PER_SECOND: Type.Integer({
    default: 4_194_304,
    minimum: 1_024,
    maximum: 1_073_741_824,
    unit: 'bytes per second',
    description: 'The same in bytes.',
  }),
  MQTT_ROUTES_FILE: file('Topics of devices, and how their payloads are read (JSON, see below).'),
  MQTT_URL: Type.Optional(
    Type.String({
      pattern: '^(mqtt|mqtts|ws|wss)://\\S+$',
      unit: 'URL',
      secret: true,
      description: "An outside broker to take devices' messages from; the own listener is not opened then.",
    }),
  ),
  MQTT_VERSION: Type.Enum(['5', '3.1.1'], {
    default: '5',
    description: 'Version of MQTT that the outside broker speaks; 3.1.1 has no traces.',
  }),
  MQTT_RECEIVE_MAXIMUM: Type.Integer({
    default: 1_000,
    minimum: 1,
    maximum: 65_535,
    unit: 'messages',
    description: 'Messages that are taken from the outside broker before the first of them is acknowledged.',
  }),
  MQTT_CA_FILE: file("Issuers of the outside broker's certificate (PEM), in place of the usual ones."),
  MQTT_CERT_FILE: file('Certificate that ingest shows to the outside broker (PEM).'),
  MQTT_KEY_FILE: file('Its private key (PEM).'),
  MQTT_CLIENT_ID: Type.String({
    default: 'millrace-ingest',
    minLength: 1,
    maxLength: 64,
    description: 'Name of the session at the outside broker; each instance needs its own, the same after a restart.',
  }),
  MQTT_SHARE_GROUP: Type.Optional(
    Type.String({
      pattern: '^[^/+#]{1,64}$',
      description: 'Shared subscription at the outside broker, so that several instances divide the messages.',
    }),
  ),
  DECISION_WAIT_MS: Type.Integer({
    default: 1_000,
    minimum: 1,
    maximum: 1_000,
    unit: 'ms',
    description:
      'How long POST /v1/payments?wait=decision waits before it answers with a link in place of the decision.',
  }),
  API_URL: Type.Optional(
    Type.String({
      pattern: '^https?://\\S+$',
      unit: 'URL',
      description: 'Where callers reach the API; links to decisions begin with it. Not set: they are paths.',
    }),
  ),
  HTTP_TLS_CERT_FILE: file(
    'Certificate chain of HTTP_PORT (PEM), which then speaks HTTPS. Read again when it changes.',
  ),
  HTTP_TLS_KEY_FILE: file('Private key of HTTP_PORT (PEM). Read again when it changes.'),
  HTTP_CLIENT_CA_FILE: file(
    'Issuers of client certificates (PEM), which may stand for an API key. Read again when it changes.',
  ),
  HTTP_CLIENT_CERT: Type.Enum(['optional', 'required'], {
    default: 'optional',
    description: 'Whether a client without a certificate is turned away, or may use an API key.',
  }),
  API_KEYS_FILE: file(
    'API keys for HTTP (JSON, see below). Required unless HOST is loopback. Read again when it changes.',
  ),
  RATE_LIMIT_EVENTS_PER_SECOND: Type.Integer({
    default: 5_000,
    minimum: 0,
    maximum: 1_000_000,
    unit: 'events per second, 0 for no limit',
    description: 'What each API key may send over HTTP, unless the file of keys says otherwise.',
  }),
  RATE_LIMIT_BURST_EVENTS: Type.Integer({
    default: 20_000,
    minimum: 1,
    maximum: 1_000_000,
    unit: 'events',
    description: 'What each API key may send at once after a pause.',
  }),
  DEVICE_CREDENTIALS_FILE: file(
    'Device credentials for MQTT (JSON, see below). Required unless HOST is loopback. Read again when it changes.',
  ),
  CARD_TOKEN_SECRET: Type.String({
    default: LAPTOP_CARD_TOKEN_SECRET,
    minLength: 32,
    secret: true,
    description:
      'Key of the HMAC that replaces card numbers, at least 32 characters. The same for ever, or cards get new tokens.',
  }),
});

export type Config = Readonly<Static<typeof configSchema>>;

/** @throws {ObservabilityError} `invalid-config` with every fault and its remedy. */
export function readConfig(env: Readonly<Record<string, string | undefined>> = process.env): Config {
  return loadConfig(configSchema, env, { check: (config) => [...checkAccess(config), ...checkTls(config)] });
}

/** What is open to others takes nothing without knowing from whom. */
function checkAccess(config: Config): ConfigFault[] {
  if (isLoopback(config.HOST)) return [];
  const faults: ConfigFault[] = [];
  const need = (variable: string, remedy: string) =>
    faults.push({
      variable,
      problem: `is needed when HOST is ${config.HOST}`,
      remedy: `${remedy}, or set HOST to 127.0.0.1.`,
    });
  if (config.API_KEYS_FILE === undefined) need('API_KEYS_FILE', 'Name a file of API keys');
  if (config.MQTT_URL === undefined && config.DEVICE_CREDENTIALS_FILE === undefined) {
    need('DEVICE_CREDENTIALS_FILE', 'Name a file of device credentials');
  }
  if (config.CARD_TOKEN_SECRET === LAPTOP_CARD_TOKEN_SECRET) need('CARD_TOKEN_SECRET', 'Set a secret of your own');
  return faults;
}

function checkTls(config: Config): ConfigFault[] {
  const faults = (['MQTT', 'HTTP'] as const).flatMap((protocol): ConfigFault[] => {
    const variables = [`${protocol}_TLS_CERT_FILE`, `${protocol}_TLS_KEY_FILE`] as const;
    const missing = variables.filter((variable) => config[variable] === undefined);
    const [variable] = missing;
    if (variable === undefined || missing.length === variables.length) return [];
    return [{ variable, problem: 'is not set', remedy: 'Set both files of the TLS port, or neither.' }];
  });
  for (const [tls, client] of [
    ['HTTP_TLS', 'HTTP_CLIENT'],
    ['MQTT_TLS', 'MQTT_TLS_CLIENT'],
  ] as const) {
    if (config[`${client}_CA_FILE`] !== undefined && config[`${tls}_CERT_FILE`] === undefined) {
      const remedy = `Set ${tls}_CERT_FILE and ${tls}_KEY_FILE, or leave it out.`;
      faults.push({ variable: `${client}_CA_FILE`, problem: 'needs TLS', remedy });
    }
    if (config[`${client}_CERT`] === 'required' && config[`${client}_CA_FILE`] === undefined) {
      const remedy = `Set ${client}_CA_FILE, or ${client}_CERT to optional.`;
      faults.push({ variable: `${client}_CERT`, problem: 'needs to know the issuers', remedy });
    }
  }
  if ((config.MQTT_CERT_FILE === undefined) !== (config.MQTT_KEY_FILE === undefined)) {
    const variable = config.MQTT_CERT_FILE === undefined ? 'MQTT_CERT_FILE' : 'MQTT_KEY_FILE';
    faults.push({ variable, problem: 'is not set', remedy: 'Set certificate and key, or neither.' });
  }
  return faults;
}
