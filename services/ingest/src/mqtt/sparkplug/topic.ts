import { sparkplugId } from './names.ts';

/** Messages that an edge node sends; commands (NCMD, DCMD) and STATE come from hosts. */
export const NODE_MESSAGES = ['NBIRTH', 'NDATA', 'NDEATH'] as const;
export const DEVICE_MESSAGES = ['DBIRTH', 'DDATA', 'DDEATH'] as const;
export type SparkplugMessageType = (typeof NODE_MESSAGES)[number] | (typeof DEVICE_MESSAGES)[number];

/** From whom a Sparkplug message is. */
export interface SparkplugAddress {
  readonly type: SparkplugMessageType;
  readonly group: string;
  readonly node: string;
  /** Of the messages of a device behind the node. */
  readonly device?: string | undefined;
  readonly nodeId: string;
  /** Of the device, or of the node when the message is its own. */
  readonly sourceId: string;
}

export interface SparkplugTemplate {
  readonly text: string;
  /** The one group that is taken; `undefined` for all. */
  readonly group: string | undefined;
  readonly filters: readonly string[];
}

/** Sparkplug 3.0, 4.1: `namespace/group_id/message_type/edge_node_id/[device_id]`. */
export const SPARKPLUG_TEMPLATE = 'spBv1.0/{group_id}/{message_type}/{edge_node_id}/{device_id}';
const NAMESPACE = 'spBv1.0';

/** Sparkplug's namespace, with a group in place of `{group_id}` or without; `undefined` for any other text. */
export function parseSparkplugTemplate(text: string): SparkplugTemplate | undefined {
  const [namespace, group = '', ...rest] = text.split('/');
  if (namespace !== NAMESPACE || rest.join('/') !== '{message_type}/{edge_node_id}/{device_id}') return undefined;
  if (group === '' || (group !== '{group_id}' && /[+#{}\0]/.test(group))) return undefined;
  const all = group === '{group_id}';
  const prefix = `${NAMESPACE}/${all ? '+' : group}`;
  const filters = [
    ...NODE_MESSAGES.map((type) => `${prefix}/${type}/+`),
    ...DEVICE_MESSAGES.map((type) => `${prefix}/${type}/+/+`),
  ];
  return { text, group: all ? undefined : group, filters };
}

/** `undefined` for a topic that is not of the template, and when its ids joined are longer than an id may be. */
export function readSparkplugTopic(
  template: SparkplugTemplate,
  levels: readonly string[],
): SparkplugAddress | undefined {
  const [namespace, group = '', type = '', node = '', device] = levels;
  if (namespace !== NAMESPACE || (template.group !== undefined && group !== template.group)) return undefined;
  if (
    !(isOneOf(NODE_MESSAGES, type) && levels.length === 4) &&
    !(isOneOf(DEVICE_MESSAGES, type) && levels.length === 5)
  )
    return undefined;
  const nodeId = sparkplugId(group, node);
  const sourceId = device === undefined ? nodeId : sparkplugId(group, node, device);
  if (nodeId === undefined || sourceId === undefined) return undefined;
  return { type, group, node, device, nodeId, sourceId };
}

function isOneOf<T extends string>(values: readonly T[], value: string): value is T {
  return (values as readonly string[]).includes(value);
}
