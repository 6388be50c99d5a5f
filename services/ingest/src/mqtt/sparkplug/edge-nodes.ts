import type { SparkplugCounters } from './counters.ts';
import { metricName } from './names.ts';
import type { SparkplugMetric } from './payload.ts';
import type { SparkplugAddress } from './topic.ts';

/** What a birth says of a metric. */
export interface MetricDefinition {
  /** As it is in a reading. */
  readonly name: string;
  readonly datatype: number | undefined;
  readonly isControl: boolean;
}

/** Whether a metric is of the protocol, and nothing that was measured. */
export function isControlMetric(name: string): boolean {
  return /^(?:bdSeq$|(?:Node|Device) Control\/)/.test(name);
}

/** A node or a device behind it, as its last birth describes it. */
interface Source {
  readonly id: string;
  readonly byAlias: Map<number | string, MetricDefinition>;
  readonly byName: Map<string, MetricDefinition>;
}

interface EdgeNode {
  /** The sources of the node: itself under '', its devices under their Sparkplug names. */
  readonly sources: Map<string, Source>;
  born: boolean;
  /** Of its birth: which connection of the node this is. */
  birthDeath: bigint | undefined;
  nextSequence: number | undefined;
  rebirthAskedAtMs: number | undefined;
}

export interface EdgeNodesOptions {
  /** Asks a node for its births; false when nothing can be sent to it. */
  readonly requestRebirth: (address: SparkplugAddress) => boolean;
  readonly counters: SparkplugCounters;
  readonly limits?: Partial<EdgeNodeLimits>;
}

export interface EdgeNodeLimits {
  /** Over one of the two the nodes that have been quiet the longest are forgotten; they are asked for their births later. */
  readonly nodesMax: number;
  readonly metricsMax: number;
  /** A command may get lost (QoS 0), so it is repeated, but a node is not asked again while it may still answer. */
  readonly rebirthMsMin: number;
  /** After a restart every node is unknown, and all births at once would be a flood. */
  readonly rebirthsPerSecondMax: number;
}

export const EDGE_NODE_LIMITS: EdgeNodeLimits = {
  nodesMax: 10_000,
  metricsMax: 200_000,
  rebirthMsMin: 10_000,
  rebirthsPerSecondMax: 20,
};

/** A metric with a longer name is taken, and needs its name in every message. */
export const REMEMBERED_NAME_LENGTH_MAX = 256;

/**
 * What is known of the edge nodes: the metrics of their births, their place in their sequence of messages, and whether
 * they have to be born again. In memory only: after a restart nodes are asked for their births.
 */
export class EdgeNodes {
  readonly #requestRebirth: EdgeNodesOptions['requestRebirth'];
  readonly #counters: SparkplugCounters;
  readonly #limits: EdgeNodeLimits;
  /** In the order of their last messages. */
  readonly #nodes = new Map<string, EdgeNode>();
  #metrics = 0;
  #second = 0;
  #rebirthsInSecond = 0;

  constructor({ requestRebirth, counters, limits }: EdgeNodesOptions) {
    this.#requestRebirth = requestRebirth;
    this.#counters = counters;
    this.#limits = { ...EDGE_NODE_LIMITS, ...limits };
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** Remembered, over all nodes. */
  get metrics(): number {
    return this.#metrics;
  }

  /** A birth of a node: what was known of it and its devices is void, but that the devices exist. */
  nodeBorn(address: SparkplugAddress, metrics: readonly SparkplugMetric[]): void {
    const node = this.#node(address);
    for (const source of node.sources.values()) this.#forget(source);
    node.born = true;
    node.birthDeath = birthDeathOf(metrics);
    node.rebirthAskedAtMs = undefined;
    this.#define(node, address, metrics);
  }

  deviceBorn(address: SparkplugAddress, metrics: readonly SparkplugMetric[]): void {
    this.#define(this.#node(address), address, metrics);
  }

  /**
   * The ids that are offline by the death of a node: its own and those of its devices. `undefined` when the death is that
   * of an earlier connection, because the node has been born again since.
   */
  nodeDied(address: SparkplugAddress, metrics: readonly SparkplugMetric[]): readonly string[] | undefined {
    const node = this.#nodes.get(address.nodeId);
    const birthDeath = birthDeathOf(metrics);
    if (node?.birthDeath !== undefined && birthDeath !== undefined && node.birthDeath !== birthDeath) return undefined;
    if (node === undefined) return [address.nodeId];
    node.born = false;
    node.nextSequence = undefined;
    const devices = [...node.sources].filter(([device]) => device !== '').map(([, { id }]) => id);
    return [address.nodeId, ...devices];
  }

  /** What the last birth of the message's source says of a metric. */
  definitionOf(address: SparkplugAddress, { name, alias }: SparkplugMetric): MetricDefinition | undefined {
    const source = this.#nodes.get(address.nodeId)?.sources.get(address.device ?? '');
    if (source === undefined) return undefined;
    if (name !== undefined && name !== '') return source.byName.get(name);
    return alias === undefined ? undefined : source.byAlias.get(alias);
  }

  /**
   * Follows the sequence of a node: 0 to 255, over all its messages and those of its devices. A gap asks for a rebirth
   * (tck-id-operational-behavior-host-reordering-rebirth), and so does data of a node that has not been born.
   */
  follow(address: SparkplugAddress, sequence: number | undefined, redelivered: boolean, nowMs: number): void {
    const node = this.#node(address);
    if (sequence !== undefined && !redelivered) {
      const isBirth = address.type === 'NBIRTH';
      if (!isBirth && node.nextSequence !== undefined && sequence !== node.nextSequence) {
        this.#counters.gap();
        this.askForBirth(address, nowMs);
      }
      node.nextSequence = (sequence + 1) % 256;
    }
    if (!node.born) this.askForBirth(address, nowMs);
  }

  /** Within the limits of how often. */
  askForBirth(address: SparkplugAddress, nowMs: number): void {
    const node = this.#node(address);
    if (node.rebirthAskedAtMs !== undefined && nowMs - node.rebirthAskedAtMs < this.#limits.rebirthMsMin) return;
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#rebirthsInSecond = 0;
    }
    if (this.#rebirthsInSecond >= this.#limits.rebirthsPerSecondMax) {
      this.#counters.rebirth('put-off');
      return;
    }
    node.rebirthAskedAtMs = nowMs;
    if (!this.#requestRebirth(address)) {
      this.#counters.rebirth('impossible');
      return;
    }
    this.#rebirthsInSecond += 1;
    this.#counters.rebirth('requested');
  }

  /** The node of a message, from now on the one that was heard last. */
  #node({ nodeId }: SparkplugAddress): EdgeNode {
    const known = this.#nodes.get(nodeId);
    const node = known ?? {
      sources: new Map<string, Source>(),
      born: false,
      birthDeath: undefined,
      nextSequence: undefined,
      rebirthAskedAtMs: undefined,
    };
    this.#nodes.delete(nodeId);
    this.#nodes.set(nodeId, node);
    if (known === undefined) this.#makeRoom();
    return node;
  }

  #define(node: EdgeNode, { device = '', sourceId }: SparkplugAddress, metrics: readonly SparkplugMetric[]): void {
    const known = node.sources.get(device);
    if (known !== undefined) this.#forget(known);
    else this.#metrics += 1; // A device without metrics takes memory, too.
    const source: Source = known ?? { id: sourceId, byAlias: new Map(), byName: new Map() };
    node.sources.set(device, source);
    for (const { name = '', alias, datatype } of metrics) {
      if (name === '' || name.length > REMEMBERED_NAME_LENGTH_MAX) continue;
      const definition = { name: metricName(name), datatype, isControl: isControlMetric(name) };
      source.byName.set(name, definition);
      if (alias !== undefined) source.byAlias.set(alias, definition);
    }
    this.#metrics += source.byName.size;
    this.#makeRoom();
  }

  #forget(source: Source): void {
    this.#metrics -= source.byName.size;
    source.byName.clear();
    source.byAlias.clear();
  }

  /** The node that was heard last stays. */
  #makeRoom(): void {
    for (const [id, { sources }] of this.#nodes) {
      const full = this.#nodes.size > this.#limits.nodesMax || this.#metrics > this.#limits.metricsMax;
      if (!full || this.#nodes.size === 1) return;
      for (const source of sources.values()) this.#forget(source);
      this.#metrics -= sources.size;
      this.#nodes.delete(id);
      this.#counters.forgotten();
    }
  }
}

/** The `bdSeq` of a birth or death certificate: the same in both of one connection. */
function birthDeathOf(metrics: readonly SparkplugMetric[]): bigint | undefined {
  const value = metrics.find(({ name }) => name === 'bdSeq')?.value;
  return value?.kind === 'int' || value?.kind === 'long' ? BigInt(value.value) : undefined;
}
