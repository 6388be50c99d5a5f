import type { EngineConnection } from './engine/engine.ts';
import { ClickHouseException } from './exception.ts';

/** A connection that outlives its request: its settings and temporary tables are there for the next one. */
interface Session {
  readonly connection: EngineConnection;
  isBusy: boolean;
  timer: NodeJS.Timeout | undefined;
}

/** Each holds a connection and what its temporary tables hold in memory. */
const SESSIONS_MAX = 128;

/** The HTTP sessions, each of one user. */
export class Sessions {
  readonly #connect: () => EngineConnection;
  readonly #sessions = new Map<string, Session>();

  constructor(connect: () => EngineConnection) {
    this.#connect = connect;
  }

  /**
   * Runs `work` on the session's connection. Nothing else may use the session meanwhile; it is closed when it has been
   * idle for its timeout.
   *
   * @throws ClickHouseException `SESSION_NOT_FOUND`, `SESSION_IS_LOCKED`, `TOO_MANY_SIMULTANEOUS_QUERIES`
   */
  async use<T>(
    options: { user: string; id: string; timeoutS: number; mustExist: boolean },
    work: (connection: EngineConnection) => Promise<T>,
  ): Promise<T> {
    const { id, timeoutS } = options;
    const key = JSON.stringify([options.user, id]);
    const session = this.#sessions.get(key) ?? this.#create(key, options);
    if (session.isBusy) {
      throw new ClickHouseException('SESSION_IS_LOCKED', `Session ${id} is locked by a concurrent client`);
    }
    clearTimeout(session.timer);
    session.isBusy = true;
    try {
      return await work(session.connection);
    } catch (error) {
      // The engine lists a failed query as running until the connection's next one, and KILL QUERY SYNC waits for it.
      await Promise.allSettled([session.connection.query('SELECT 1', 'Null')]);
      throw error;
    } finally {
      session.isBusy = false;
      session.timer = setTimeout(() => this.#close(key), timeoutS * 1_000).unref();
    }
  }

  /** No session may be in use. */
  close(): void {
    for (const key of [...this.#sessions.keys()]) this.#close(key);
  }

  #create(key: string, options: { id: string; mustExist: boolean }): Session {
    if (options.mustExist) throw new ClickHouseException('SESSION_NOT_FOUND', `Session ${options.id} not found`);
    if (this.#sessions.size >= SESSIONS_MAX) {
      throw new ClickHouseException('TOO_MANY_SIMULTANEOUS_QUERIES', `There are ${SESSIONS_MAX} sessions already`);
    }
    const session: Session = { connection: this.#connect(), isBusy: false, timer: undefined };
    this.#sessions.set(key, session);
    return session;
  }

  #close(key: string): void {
    const session = this.#sessions.get(key);
    if (session === undefined) return;
    clearTimeout(session.timer);
    this.#sessions.delete(key);
    session.connection.close();
  }
}
