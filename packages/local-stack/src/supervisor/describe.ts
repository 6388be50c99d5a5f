import type { StackPorts } from '../ports.ts';
import type { PartEvent } from './part.ts';
import type { StackAddresses } from './plan.ts';

/** What a newcomer wants to know once everything is up. */
export function describeStack(options: {
  ports: StackPorts;
  addresses: StackAddresses;
  isOwnMqtt: boolean;
  dataDir: string;
  traffic: { rate: number; devices: number } | undefined;
}): string {
  const { ports, addresses, isOwnMqtt, dataDir, traffic } = options;
  const webSocket = isOwnMqtt ? `   (WebSocket: ws://127.0.0.1:${ports.mqttWebSocket})` : '';
  const metrics = Object.entries(ports.metrics).map(([service, port]) => `${service} ${port}`);
  return `
  console     ${addresses.api}/
  API docs    ${addresses.api}/docs
  ingest      ${addresses.ingest}   (docs: ${addresses.ingest}/docs)
  MQTT        ${withoutPassword(addresses.mqtt)}${webSocket}
  Kafka       ${addresses.kafkaBrokers}
  ClickHouse  ${withoutPassword(addresses.clickhouseUrl)}
  metrics     http://127.0.0.1:PORT/metrics, PORT: ${metrics.join(', ')}
  data, logs  ${dataDir}
  traffic     ${traffic === undefined ? 'none (--no-traffic)' : `${traffic.rate} payments/s, ${traffic.devices} devices, simulated`}

  Everything listens on loopback (127.0.0.1) only and asks nobody for a key; a device's name is its password.
  Ctrl-C stops it and keeps the data; \`npm run reset\` forgets the data.
`;
}

/** An event of a part in words; undefined for what needs no line of its own. */
export function describeEvent(event: PartEvent): string | undefined {
  switch (event.kind) {
    case 'ready':
      return `  ${event.part} is ready, ${(event.tookMs / 1_000).toFixed(1)} s`;
    case 'died':
      return `  ${event.part} died (${event.reason}), restarting in ${event.restartInMs} ms`;
    case 'stopped':
      return event.forced ? `  ${event.part} did not stop in time and was killed` : undefined;
  }
}

function withoutPassword(address: string): string {
  const url = new URL(address);
  if (url.password !== '') url.password = '***';
  return url.href.replace(/\/$/, '');
}
