import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { ClickHouseException } from './exception.ts';

export interface User {
  readonly name: string;
  readonly password: string;
  /** May read and choose settings, never write; `readonly = 2` in the engine's terms. */
  readonly readOnly: boolean;
}

/**
 * Who may come in: `default` may do everything, `readonly` may read. Beyond loopback nobody comes in without a password:
 * there must be one for `default`, and without one of its own `readonly` does not exist.
 */
export function createUsers(options: {
  isLoopback: boolean;
  password: string | undefined;
  readOnlyPassword: string | undefined;
}): readonly User[] {
  const { isLoopback, password = '', readOnlyPassword } = options;
  const users: User[] = [{ name: 'default', password, readOnly: false }];
  if (isLoopback || readOnlyPassword !== undefined) {
    users.push({ name: 'readonly', password: readOnlyPassword ?? '', readOnly: true });
  }
  return users;
}

/**
 * The user of a request, by `X-ClickHouse-User` and `X-ClickHouse-Key`, else basic auth, else `user` and `password` in the
 * URL; `default` without a password when there is none of them.
 *
 * @throws ClickHouseException `AUTHENTICATION_FAILED`, the same for an unknown name and a wrong password
 */
export function authenticate(
  users: readonly User[],
  request: { headers: IncomingHttpHeaders; parameters: URLSearchParams },
): User {
  const { name, password } = credentials(request.headers, request.parameters);
  const user = users.find((candidate) => candidate.name === name);
  const isRight = equalText(password, user?.password ?? '');
  if (user !== undefined && isRight) return user;
  throw new ClickHouseException(
    'AUTHENTICATION_FAILED',
    `${name}: Authentication failed: password is incorrect, or there is no user with such name`,
  );
}

function credentials(headers: IncomingHttpHeaders, parameters: URLSearchParams): { name: string; password: string } {
  const headerUser = headers['x-clickhouse-user'];
  const headerKey = headers['x-clickhouse-key'];
  if (headerUser !== undefined || headerKey !== undefined) {
    return { name: String(headerUser ?? 'default'), password: String(headerKey ?? '') };
  }
  const [scheme = '', encoded = ''] = (headers.authorization ?? '').split(' ');
  if (scheme.toLowerCase() === 'basic') {
    const text = Buffer.from(encoded, 'base64').toString();
    const colon = text.indexOf(':');
    return colon === -1
      ? { name: text, password: '' }
      : { name: text.slice(0, colon) || 'default', password: text.slice(colon + 1) };
  }
  return { name: parameters.get('user') || 'default', password: parameters.get('password') ?? '' };
}

/** Compares digests, so that the time taken tells neither the length nor the place of a difference. */
function equalText(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}
