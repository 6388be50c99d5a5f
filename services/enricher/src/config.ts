import { loadConfig, settings } from '@millrace/observability';
import { type Static, Type } from 'typebox';

/** The environment of the enricher. */
export const configSchema = Type.Object({
  ...settings.kafka,
  ...settings.streams,
  ...settings.process,
  ...settings.metricsPort(9402),
});
export type Config = Readonly<Static<typeof configSchema>>;

export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return loadConfig(configSchema, env);
}
