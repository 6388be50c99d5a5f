import { type ConfigFault, isLoopback, loadConfig, settings } from '@millrace/observability';
import Type, { type Static } from 'typebox';

export const configSchema = Type.Object({
  ...settings.kafka,
  ...settings.clickhouse,
  ...settings.process,
  ...settings.httpPort(8090),
  ...settings.metricsPort(9405),
  TRUSTED_NETWORK: Type.Boolean({
    default: false,
    description:
      'Allows a HOST other than loopback. For a network in which a proxy in front asks callers who they are.',
  }),
  INGEST_URL: Type.String({
    default: 'http://127.0.0.1:8080',
    pattern: '^https?://\\S+$',
    unit: 'URL',
    description: 'HTTP interface of ingest, through which dead letters are sent again.',
  }),
  INGEST_API_KEY_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      unit: 'path',
      description: 'File with the API key for that, scope redrive:write. Read for each redrive.',
    }),
  ),
  RECONCILE_SETTLE_MS: Type.Integer({
    default: 10_000,
    minimum: 0,
    maximum: 3_600_000,
    unit: 'ms',
    description: 'How long an accepted event may take to be stored before it counts as lost.',
  }),
  RECONCILE_INTERVAL_MS: Type.Integer({
    default: 3_000,
    minimum: 100,
    maximum: 600_000,
    unit: 'ms',
    description: 'Time between two looks of reconciliation at what is new.',
  }),
});

export type Config = Readonly<Static<typeof configSchema>>;

/** @throws {ObservabilityError} `invalid-config` with every fault and its remedy. */
export function readConfig(env: Readonly<Record<string, string | undefined>> = process.env): Config {
  return loadConfig(configSchema, env, { check: checkAccess });
}

/** Answers hold payments of people: nobody gets them without somebody asking who that is. */
function checkAccess({ HOST, TRUSTED_NETWORK }: Config): ConfigFault[] {
  if (TRUSTED_NETWORK || isLoopback(HOST)) return [];
  const remedy =
    'Set HOST to 127.0.0.1, or TRUSTED_NETWORK to true where only a proxy that authenticates can reach this address.';
  return [
    { variable: 'HOST', problem: `is ${HOST}, which others can reach, and the API asks nobody who they are`, remedy },
  ];
}
