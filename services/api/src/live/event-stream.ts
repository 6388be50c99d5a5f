import type { ServerResponse } from 'node:http';
import type { Gauge, Metrics } from '@millrace/observability';
import { ApiError } from '../errors.ts';
import type { Feed, FeedEvent } from './feed.ts';

export interface StreamLimits {
  /** Open streams of all feeds together. */
  readonly clientsMax: number;
  /** What a client may leave unread before it is dropped. */
  readonly unreadBytesMax: number;
  readonly heartbeatMs: number;
}

/** A heartbeat well below the 30 to 60 s after which proxies close a silent connection. */
export const STREAM_LIMITS: StreamLimits = { clientsMax: 100, unreadBytesMax: 256 * 1024, heartbeatMs: 15_000 };

/** Browsers reconnect after this long. */
const RECONNECT_MS = 2_000;
/** A dropped client gets this long to read why. */
const DROP_MS = 5_000;

export interface EventStreams {
  /**
   * Answers with a feed as server-sent events: `event: <name>`, `data:` one line of JSON, and an `id` that resumes the
   * stream as `Last-Event-ID`. Also `event: gap` (events are missing; ask the lists) and `event: dropped` (read too
   * slowly). Throws `too-many-clients` or `feed-unavailable` before anything is written.
   */
  open(options: {
    readonly feed: Feed;
    readonly eventName: string;
    readonly lastEventId: string | undefined;
    readonly response: ServerResponse;
    readonly headers: Readonly<Record<string, string>>;
  }): Promise<void>;
  close(): void;
}

export function createEventStreams(metrics: Metrics, limits: StreamLimits = STREAM_LIMITS): EventStreams {
  const clients: Gauge = metrics.gauge({ name: 'live_clients', help: 'Open streams.' });
  const dropped = metrics.counter({
    name: 'live_clients_dropped_total',
    help: 'Streams ended because of a slow client.',
  });
  const open = new Set<ServerResponse>();

  return {
    async open({ feed, eventName, lastEventId, response, headers }) {
      if (open.size >= limits.clientsMax) {
        throw new ApiError('too-many-clients', `There are ${limits.clientsMax} streams already.`);
      }
      open.add(response);
      clients.set(open.size);
      let unsubscribe: (() => void) | undefined;
      let heartbeat: NodeJS.Timeout | undefined;
      const leave = () => {
        clearInterval(heartbeat);
        unsubscribe?.();
        open.delete(response);
        clients.set(open.size);
      };
      response.once('close', leave);

      const held: string[] = [];
      let begun = false;
      const write = (text: string) => {
        if (!begun) held.push(text);
        else if (response.writableEnded) return;
        else if (response.writableLength > limits.unreadBytesMax) drop();
        else response.write(text);
      };
      const drop = () => {
        dropped.inc();
        leave();
        const reason = `More than ${limits.unreadBytesMax} bytes were left unread. Connect again with Last-Event-ID.`;
        response.end(format('dropped', { reason }));
        setTimeout(() => response.destroy(), DROP_MS).unref();
      };

      try {
        unsubscribe = await feed.subscribe(
          {
            event: (event) => write(formatEvent(eventName, event)),
            gap: () => write(format('gap', { reason: 'Events in between are not at hand. Ask the list for them.' })),
          },
          lastEventId,
        );
      } catch (error) {
        response.off('close', leave);
        leave();
        throw error;
      }
      // The client may have gone while the feed started.
      if (response.destroyed) return leave();
      response.writeHead(200, {
        ...headers,
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
      });
      begun = true;
      write(`retry: ${RECONNECT_MS}\n\n`);
      for (const text of held.splice(0)) write(text);
      heartbeat = setInterval(() => write(': heartbeat\n\n'), limits.heartbeatMs);
      heartbeat.unref();
    },
    close() {
      for (const response of open) response.end();
    },
  };
}

function formatEvent(eventName: string, { id, data }: FeedEvent): string {
  return `id: ${id}\nevent: ${eventName}\ndata: ${data}\n\n`;
}

function format(eventName: string, data: object): string {
  return `event: ${eventName}\ndata: ${JSON.stringify(data)}\n\n`;
}
