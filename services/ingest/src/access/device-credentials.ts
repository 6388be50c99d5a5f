import { ID_ALPHABET, ID_LENGTH_MAX } from '@millrace/contracts';
import Type, { type Static } from 'typebox';
import type { ClientCertificate } from './api-keys.ts';
import { type CredentialsSource, credentialsFault, hashSchema, readCredentials, sha256 } from './credentials-file.ts';

/** What a device says of itself when it connects. */
export interface PresentedDevice {
  readonly userName: string | undefined;
  readonly password: string | undefined;
  readonly certificate: ClientCertificate | undefined;
}

/** The id of the device, or `undefined` for whom is not let in, or not any more. */
export type IdentifyDevice = (presented: PresentedDevice) => string | undefined;

/** What a file of device credentials says. */
export interface DeviceTable {
  /** The hashes of the passwords of each device: one, or two while it changes from one to the other. */
  readonly passwordHashesById: ReadonlyMap<string, ReadonlySet<string>>;
  readonly idByCertificateHash: ReadonlyMap<string, string>;
  readonly idByCommonName: ReadonlyMap<string, string>;
}

/** `table` is asked at every login, so that it may be exchanged for a newer one. */
export function createDeviceCheck(table: () => DeviceTable): IdentifyDevice {
  return (presented) => {
    const { passwordHashesById, idByCertificateHash, idByCommonName } = table();
    const { userName, password, certificate } = presented;
    if (certificate !== undefined) {
      const { sha256: hash, commonName } = certificate;
      const byName = commonName === undefined ? undefined : idByCommonName.get(commonName);
      return unlessContradicted(idByCertificateHash.get(hash) ?? byName, userName);
    }
    if (userName === undefined || password === undefined) return undefined;
    return passwordHashesById.get(userName)?.has(sha256(password)) === true ? userName : undefined;
  };
}

/**
 * Device credentials from a JSON file: `{ "devices": [{ "device_id", "sha256" }] }`, hashes as for API keys. In place of
 * `sha256`, `certificate_sha256` names one certificate and `certificate_cn` the common name of any that a known issuer
 * has signed. A device may stand there more than once: each entry is a way to log in.
 *
 * @throws {IngestError} `credentials-file`
 */
export async function readDeviceCredentials(file: string): Promise<DeviceTable> {
  const source: CredentialsSource = { setting: 'DEVICE_CREDENTIALS_FILE', file };
  const { devices } = await readCredentials(source, DeviceCredentialsFile);
  const passwordHashesById = new Map<string, Set<string>>();
  const idByCertificate = { certificate_sha256: new Map<string, string>(), certificate_cn: new Map<string, string>() };
  for (const [index, entry] of devices.entries()) {
    const fail = (problem: string) => credentialsFault(source, `is not right at /devices/${index}: ${problem}`);
    const [identity, ...others] = IDENTITIES.filter((name) => entry[name] !== undefined);
    if (identity === undefined || others.length > 0) throw fail(`it needs exactly one of ${IDENTITIES.join(', ')}`);
    const { device_id: deviceId, [identity]: presented = '' } = entry;
    if (identity === 'sha256') {
      const hashes = passwordHashesById.get(deviceId);
      if (hashes === undefined) passwordHashesById.set(deviceId, new Set([presented]));
      else hashes.add(presented);
      continue;
    }
    const ids = idByCertificate[identity];
    if (ids.has(presented)) throw fail(`an entry before it has the same ${identity}`);
    ids.set(presented, deviceId);
  }
  const { certificate_sha256: idByCertificateHash, certificate_cn: idByCommonName } = idByCertificate;
  return { passwordHashesById, idByCertificateHash, idByCommonName };
}

/** On a laptop a device's password is its id, or its certificate's common name; only a listener on loopback may use this. */
export const deviceIdIsPassword: IdentifyDevice = ({ userName, password, certificate }) => {
  const deviceId = certificate === undefined ? (password === userName ? userName : undefined) : certificate.commonName;
  return deviceId !== undefined && DEVICE_ID.test(deviceId) ? unlessContradicted(deviceId, userName) : undefined;
};

/** Who shows a certificate needs no user name; one that is given must be that of the certificate's device. */
function unlessContradicted(deviceId: string | undefined, userName: string | undefined): string | undefined {
  return userName === undefined || userName === deviceId ? deviceId : undefined;
}

const DEVICE_ID_PATTERN = `^[${ID_ALPHABET}]{1,${ID_LENGTH_MAX}}$`;
const DEVICE_ID = new RegExp(DEVICE_ID_PATTERN);
const IDENTITIES = ['sha256', 'certificate_sha256', 'certificate_cn'] as const;

const entrySchema = Type.Object(
  {
    device_id: Type.String({ pattern: DEVICE_ID_PATTERN }),
    sha256: Type.Optional(hashSchema()),
    certificate_sha256: Type.Optional(hashSchema()),
    certificate_cn: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  },
  { additionalProperties: false },
);

const DeviceCredentialsFile = Type.Object({ devices: Type.Array(entrySchema, { minItems: 1 }) });

/** An entry of the file, for the command that writes one. */
export type DeviceEntry = Static<typeof entrySchema>;
