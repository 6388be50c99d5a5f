import { createRequire } from 'node:module';

/** Shapes as AWS documents them, with content of our own; nobody wants to read them twice. */
const events = createRequire(import.meta.url)('./http-events.json') as Readonly<Record<EventShape, object>>;

export type EventShape = 'apiGatewayV1' | 'apiGatewayV2' | 'functionUrl' | 'loadBalancer' | 'loadBalancerLists';
export const EVENT_SHAPES = Object.keys(events) as EventShape[];

export interface Request {
  readonly method?: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** The event that AWS makes of a request. A body of bytes comes in base64, as API Gateway sends whatever is no text. */
export function eventOf(shape: EventShape, { method = 'POST', path, query = {}, headers = {}, body }: Request): object {
  const event = structuredClone(events[shape]) as Record<string, never> & { requestContext: Record<string, never> };
  const encoded = {
    body: body === undefined ? null : Buffer.isBuffer(body) ? body.toString('base64') : body,
    isBase64Encoded: Buffer.isBuffer(body),
  };
  const lists = (values: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, [value]]));
  if (shape === 'apiGatewayV2' || shape === 'functionUrl') {
    const { http } = event.requestContext as unknown as { http: object };
    return {
      ...event,
      ...encoded,
      rawPath: path,
      rawQueryString: new URLSearchParams(query).toString(),
      ...(Object.keys(query).length === 0 ? {} : { queryStringParameters: query }),
      headers: { ...(event.headers as unknown as object), ...headers },
      requestContext: { ...event.requestContext, http: { ...http, method, path } },
    };
  }
  const all = { ...(event.headers as unknown as Record<string, string>), ...headers };
  const common = { ...event, ...encoded, httpMethod: method, path };
  if (shape === 'loadBalancerLists') {
    const { headers: _none, ...rest } = common as Record<string, unknown>;
    return { ...rest, multiValueHeaders: lists(all), multiValueQueryStringParameters: lists(query) };
  }
  if (shape === 'loadBalancer') return { ...common, headers: all, queryStringParameters: query };
  return {
    ...common,
    headers: all,
    multiValueHeaders: lists(all),
    queryStringParameters: Object.keys(query).length === 0 ? null : query,
    multiValueQueryStringParameters: Object.keys(query).length === 0 ? null : lists(query),
  };
}
