import { loadConfig, settings } from '@millrace/observability';
import Type, { type Static } from 'typebox';

export const configSchema = Type.Object({
  ...settings.kafka,
  ...settings.clickhouse,
  ...settings.process,
  ...settings.metricsPort(9404),
  SINK_GROUP: Type.String({
    default: 'sink',
    pattern: '^[A-Za-z0-9._-]+$',
    description: 'Consumer group (after TOPIC_PREFIX) that holds the offsets. One group fills one database.',
  }),
});

export type SinkConfig = Readonly<Static<typeof configSchema>>;

/** The only place that reads the environment. */
export function readConfig(env: Readonly<Record<string, string | undefined>> = process.env): SinkConfig {
  return loadConfig(configSchema, env);
}
