import { Part, type PartOptions } from '@millrace/local-stack';
import type { TcpProxy } from './tcp-proxy.ts';

/** How long a store may take to end in good order before it is made to. */
const STOP_MS_MAX = 30_000;

/** Kafka or ClickHouse, and the proxy that leads to it: both can be taken away, and come back with their data. */
export class Store {
  readonly name: string;
  readonly #options: PartOptions;
  readonly #link: TcpProxy;
  #part: Part | undefined;

  constructor(options: PartOptions, link: TcpProxy) {
    this.name = options.name;
    this.#options = options;
    this.#link = link;
  }

  get pid(): number | undefined {
    return this.#part?.pid;
  }

  /** Starts the process, and resolves when it works and can be reached. */
  async back(): Promise<void> {
    const part = new Part(this.#options);
    this.#part = part;
    await part.start();
    await this.#link.listen();
  }

  /** Ends the process, and resolves when it is gone. Who connects is refused from then on. */
  async away(how: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const part = this.#part;
    if (part === undefined) return;
    this.#part = undefined;
    if (how === 'SIGKILL') part.kill();
    await part.stop(how === 'SIGKILL' ? 0 : STOP_MS_MAX);
    await this.#link.refuse();
  }
}
