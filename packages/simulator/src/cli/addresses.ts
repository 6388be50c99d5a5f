import { stackPorts } from '@millrace/local-stack';
import { SimulatorError } from '../errors.ts';
import { createHttpClient } from '../send/http-client.ts';
import type { Flags } from './flags.ts';

/** The flags of every command that talks to a running stack. */
export const ADDRESS_FLAGS = {
  'port-base': { kind: 'number', help: 'of a stack that was started with it', min: 1, max: 65_000 },
  ingest: { kind: 'text', help: 'URL of ingest, instead of this machine' },
  api: { kind: 'text', help: 'URL of the API, instead of this machine' },
  mqtt: { kind: 'text', help: 'URL of the MQTT listener or broker, instead of this machine' },
} as const satisfies Flags;

export interface Addresses {
  readonly ingest: string;
  readonly api: string;
  readonly mqtt: string;
}

/** @throws {SimulatorError} `usage` for what is no URL. */
export function addressesOf(flags: {
  readonly 'port-base': number | undefined;
  readonly ingest: string | undefined;
  readonly api: string | undefined;
  readonly mqtt: string | undefined;
}): Addresses {
  const ports = stackPorts(flags['port-base']);
  return {
    ingest: checked('ingest', flags.ingest ?? `http://127.0.0.1:${ports.ingest}`, ['http:', 'https:']),
    api: checked('api', flags.api ?? `http://127.0.0.1:${ports.api}`, ['http:', 'https:']),
    mqtt: checked('mqtt', flags.mqtt ?? `mqtt://127.0.0.1:${ports.mqtt}`, ['mqtt:', 'mqtts:', 'ws:', 'wss:']),
  };
}

/**
 * Asks ingest and the API whether they are ready.
 * @throws {SimulatorError} `not-running`, with what to do about it.
 */
export async function checkRunning({ ingest, api }: Pick<Addresses, 'ingest' | 'api'>): Promise<void> {
  for (const [service, url] of Object.entries({ ingest, api })) {
    const client = createHttpClient({ url, connections: 1, signal: new AbortController().signal });
    try {
      const { status } = await client.get('/health/ready');
      if (status === 200) continue;
      const message = `${service} answers at ${url}, but is not ready (${status}). Wait for npm start to say that it is.`;
      throw new SimulatorError('not-running', message);
    } finally {
      await client.close();
    }
  }
}

function checked(flag: string, text: string, protocols: readonly string[]): string {
  if (URL.canParse(text) && protocols.includes(new URL(text).protocol)) return text;
  throw new SimulatorError(
    'usage',
    `--${flag} ${text}: it takes a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}.`,
  );
}
