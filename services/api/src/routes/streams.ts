import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiInstance } from '../app.ts';
import { problemAnswers } from '../http/schemas.ts';
import type { EventStreams } from '../live/event-stream.ts';
import type { Feed } from '../live/feed.ts';

export interface LiveFeeds {
  readonly alerts: Feed;
  readonly decisions: Feed;
}

/** Alerts and decisions as they happen, as server-sent events. */
export function registerStreamRoutes(app: ApiInstance, feeds: LiveFeeds, streams: EventStreams): void {
  const open = (feed: Feed, eventName: string) => async (request: FastifyRequest, reply: FastifyReply) => {
    const header = request.headers['last-event-id'];
    await streams.open({
      feed,
      eventName,
      lastEventId: typeof header === 'string' && header !== '' ? header : undefined,
      response: reply.raw,
      headers: headersOf(reply),
    });
    reply.hijack();
  };
  const stream = (what: string, eventName: string) => ({
    operationId: `stream-${eventName}s`,
    tags: ['live'],
    summary: `${what} as they happen (server-sent events).`,
    description: `\`event: ${eventName}\` with JSON as in the list; \`event: gap\` where some are missing, \`event: dropped\` before a client that reads too slowly is cut off. Send \`Last-Event-ID\` to go on where a stream broke.`,
    produces: ['text/event-stream'],
    response: { 200: { description: 'A stream that does not end.', type: 'string' }, ...problemAnswers },
  });

  app.get('/v1/stream/alerts', { schema: stream('Alerts', 'alert') }, open(feeds.alerts, 'alert'));
  app.get('/v1/stream/decisions', { schema: stream('Decisions', 'decision') }, open(feeds.decisions, 'decision'));
}

/** What hooks have set (security headers): a hijacked reply does not write them itself. */
function headersOf(reply: FastifyReply): Record<string, string> {
  return Object.fromEntries(Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]));
}
