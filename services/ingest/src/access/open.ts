import type { Logger, ServiceResources } from '@millrace/observability';
import type { Config } from '../config.ts';
import { type HttpCertificates, type HttpTls, readHttpCertificates, TLS_OPTIONS } from '../http/tls.ts';
import type { IngestMetrics } from '../metrics.ts';
import { type ApiKeys, type ApiKeyTable, createApiKeys, readApiKeys } from './api-keys.ts';
import {
  createDeviceCheck,
  deviceIdIsPassword,
  type IdentifyDevice,
  readDeviceCredentials,
} from './device-credentials.ts';
import { openReloaded } from './reload.ts';

export interface AccessOptions {
  readonly config: Config;
  readonly nowMs: () => number;
  readonly logger: Logger;
  readonly metrics: IngestMetrics;
}

/**
 * The keys that HTTP takes, read again when their file changes; `undefined` without a file (loopback only).
 *
 * @throws {IngestError} `credentials-file`
 */
export async function openApiKeys(resources: ServiceResources, options: AccessOptions): Promise<ApiKeys | undefined> {
  const { config, nowMs, logger, metrics } = options;
  const { API_KEYS_FILE: file, RATE_LIMIT_EVENTS_PER_SECOND: eventsPerSecond } = config;
  if (file === undefined) return undefined;
  const rateLimit =
    eventsPerSecond === 0 ? undefined : { eventsPerSecond, burstEvents: config.RATE_LIMIT_BURST_EVENTS };
  const keys = await openReloaded<ApiKeyTable>({
    name: 'api-keys',
    files: [file],
    read: (current) => readApiKeys({ file, rateLimit, nowMs }, current),
    ...{ logger, metrics },
  });
  resources.onClose('api keys', () => keys.close());
  return createApiKeys(keys.current, nowMs);
}

/**
 * Passwords and certificates of devices, read again when their file changes; on loopback, without a file, the device's
 * id. `onChange` is called after each change, when those who are connected may have become unwelcome.
 *
 * @throws {IngestError} `credentials-file`
 */
export async function openDeviceCheck(
  resources: ServiceResources,
  options: AccessOptions & { readonly onChange: () => void },
): Promise<IdentifyDevice> {
  const { config, logger, metrics } = options;
  const { DEVICE_CREDENTIALS_FILE: file } = config;
  if (file === undefined) return deviceIdIsPassword;
  const devices = await openReloaded({
    name: 'device-credentials',
    files: [file],
    read: () => readDeviceCredentials(file),
    // In the next turn, when the new state is in force.
    onChange: () => setImmediate(options.onChange),
    ...{ logger, metrics },
  });
  resources.onClose('device credentials', () => devices.close());
  return createDeviceCheck(devices.current);
}

export interface OpenedTls {
  readonly tls: HttpTls;
  /** From now on this server gets new certificates, for the connections that come after them. */
  serve(server: object): void;
}

/** The part of a `tls.Server` that is used. */
interface CertificateServer {
  setSecureContext(options: HttpCertificates & typeof TLS_OPTIONS): void;
}

/**
 * The certificates of HTTP, read again when one of their files changes; `undefined` without them.
 *
 * @throws {IngestError} `certificate-file`
 */
export async function openHttpTls(resources: ServiceResources, options: AccessOptions): Promise<OpenedTls | undefined> {
  const { config, logger, metrics } = options;
  const { HTTP_TLS_CERT_FILE: cert, HTTP_TLS_KEY_FILE: key, HTTP_CLIENT_CA_FILE: ca } = config;
  if (cert === undefined || key === undefined) return undefined;
  let server: CertificateServer | undefined;
  const certificates = await openReloaded({
    name: 'http-certificates',
    files: [cert, key, ...(ca === undefined ? [] : [ca])],
    read: () => readHttpCertificates({ cert, key, ca }),
    onChange: (changed) => server?.setSecureContext({ ...TLS_OPTIONS, ...changed }),
    ...{ logger, metrics },
  });
  resources.onClose('http certificates', () => certificates.close());
  return {
    tls: { ...certificates.current(), clientCertificateRequired: config.HTTP_CLIENT_CERT === 'required' },
    serve: (opened) => {
      server = opened as CertificateServer;
    },
  };
}
