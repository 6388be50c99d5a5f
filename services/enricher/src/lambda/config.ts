import { loadConfig, settings } from '@millrace/observability';
import { type Static, Type } from 'typebox';

/** The environment of the function. */
export const lambdaConfigSchema = Type.Object({
  ...settings.kafka,
  ...settings.kafkaAccess,
  ...settings.kafkaEvents,
  LOG_LEVEL: settings.process.LOG_LEVEL,
});
export type LambdaConfig = Readonly<Static<typeof lambdaConfigSchema>>;

export function readLambdaConfig(env: NodeJS.ProcessEnv = process.env): LambdaConfig {
  return loadConfig(lambdaConfigSchema, env);
}
