import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ClientCertificate } from '../access/api-keys.ts';

/**
 * The certificate that a connection's client has shown, if HTTP_CLIENT_CA_FILE vouches for it. Read once for each
 * connection, because decoding one takes longer than a request.
 */
export function createCertificateReader(): (socket: Socket) => ClientCertificate | undefined {
  const certificates = new WeakMap<Socket, ClientCertificate | 'none'>();
  return (socket) => {
    if (!(socket instanceof TLSSocket)) return undefined;
    let certificate = certificates.get(socket);
    if (certificate === undefined) {
      certificate = certificateOf(socket) ?? 'none';
      certificates.set(socket, certificate);
    }
    return certificate === 'none' ? undefined : certificate;
  };
}

function certificateOf(socket: TLSSocket): ClientCertificate | undefined {
  // Without a request for certificates nothing has checked them, and `authorized` is false.
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const commonName: unknown = certificate.toLegacyObject().subject?.CN;
  return {
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    // A subject may have several; then none of them is the name.
    commonName: typeof commonName === 'string' ? commonName : undefined,
  };
}
