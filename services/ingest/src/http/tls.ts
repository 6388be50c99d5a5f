import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { IngestError } from '../errors.ts';

/** What the files of HTTP's TLS hold (PEM). */
export interface HttpCertificates {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Who issues client certificates; without it none are asked for. */
  readonly ca?: Buffer;
}

export interface HttpTls extends HttpCertificates {
  /** Refuses the handshake of a client without a certificate; else an API key will do. */
  readonly clientCertificateRequired: boolean;
}

export interface HttpCertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
}

/** @throws {IngestError} `certificate-file`, naming the setting */
export async function readHttpCertificates(files: HttpCertificateFiles): Promise<HttpCertificates> {
  const certificates: HttpCertificates = {
    cert: await readPem('HTTP_TLS_CERT_FILE', files.cert),
    key: await readPem('HTTP_TLS_KEY_FILE', files.key),
    ...(files.ca !== undefined && { ca: await readPem('HTTP_CLIENT_CA_FILE', files.ca) }),
  };
  try {
    createSecureContext({ ...TLS_OPTIONS, ...certificates });
  } catch (cause) {
    const message =
      'HTTP_TLS_CERT_FILE, HTTP_TLS_KEY_FILE and HTTP_CLIENT_CA_FILE do not fit together: give PEM files, and the private key of the first certificate.';
    throw new IngestError('certificate-file', message, { cause });
  }
  return certificates;
}

/** Of `tls.createSecureContext`, said once for the start and for every change of the certificates. */
export const TLS_OPTIONS = { minVersion: 'TLSv1.2' } as const;

/** For a client that opens a connection and says nothing; Node waits for two minutes. */
const HANDSHAKE_MS_MAX = 10_000;

/** Options for `https.createServer`. */
export function httpsOptions({ clientCertificateRequired, ...certificates }: HttpTls) {
  return {
    ...TLS_OPTIONS,
    ...certificates,
    handshakeTimeout: HANDSHAKE_MS_MAX,
    requestCert: certificates.ca !== undefined,
    rejectUnauthorized: clientCertificateRequired,
  };
}

async function readPem(setting: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new IngestError('certificate-file', `${setting}: ${file} cannot be read.`, { cause });
  }
}
