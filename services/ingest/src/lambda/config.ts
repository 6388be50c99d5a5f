import { type ConfigFault, loadConfig, settings } from '@millrace/observability';
import Type, { type Static } from 'typebox';
import { configSchema } from '../config.ts';

const { API_KEYS_FILE, CARD_TOKEN_SECRET, RATE_LIMIT_EVENTS_PER_SECOND, RATE_LIMIT_BURST_EVENTS } =
  configSchema.properties;
const BYTES = '`openssl rand -hex 32` makes one';

/** The environment of the HTTP side as a Lambda function. Nothing there is loopback: it takes nothing without a key. */
export const lambdaConfigSchema = Type.Object({
  ...settings.kafka,
  ...settings.kafkaAccess,
  LOG_LEVEL: settings.process.LOG_LEVEL,
  API_KEYS_FILE,
  CARD_TOKEN_SECRET,
  RATE_LIMIT_EVENTS_PER_SECOND,
  RATE_LIMIT_BURST_EVENTS,
});
export type LambdaConfig = Readonly<Static<typeof lambdaConfigSchema>> & { readonly API_KEYS_FILE: string };

/** @throws {ObservabilityError} `invalid-config` with every fault and its remedy. */
export function readLambdaConfig(env: Readonly<Record<string, string | undefined>> = process.env): LambdaConfig {
  const check = (config: Readonly<Static<typeof lambdaConfigSchema>>): ConfigFault[] => {
    const faults: ConfigFault[] = [];
    const need = (variable: string, remedy: string) => faults.push({ variable, problem: 'is not set', remedy });
    if (config.API_KEYS_FILE === undefined)
      need('API_KEYS_FILE', 'Name a file of API keys, such as /opt/api-keys.json.');
    if (config.CARD_TOKEN_SECRET === (CARD_TOKEN_SECRET as { readonly default?: unknown }).default)
      need('CARD_TOKEN_SECRET', `Set a secret of your own; ${BYTES}.`);
    return faults;
  };
  return loadConfig(lambdaConfigSchema, env, { check }) as LambdaConfig;
}
