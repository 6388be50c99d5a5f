import { deepJson } from './http/deep-json.ts';
import { hugeBodies } from './http/huge-bodies.ts';
import { idleConnections } from './http/idle-connections.ts';
import { randomBytes } from './http/random-bytes.ts';
import { randomPackets } from './mqtt/random-packets.ts';
import { openapiOf } from './openapi/schemathesis.ts';
import type { FuzzPart } from './part.ts';

/** In the order in which they run. */
export const PARTS: readonly FuzzPart[] = [
  openapiOf('ingest'),
  openapiOf('api'),
  randomBytes,
  deepJson,
  hugeBodies,
  idleConnections,
  randomPackets,
];
