import { loadConfig, settings } from '@millrace/observability';
import { type Static, Type } from 'typebox';

/** The environment of the fraud detector. */
export const configSchema = Type.Object({
  ...settings.kafka,
  ...settings.streams,
  ...settings.process,
  ...settings.metricsPort(9403),
});
export type Config = Readonly<Static<typeof configSchema>>;

export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return loadConfig(configSchema, env);
}
