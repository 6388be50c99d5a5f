import { ID_ALPHABET, ID_LENGTH_MAX } from '@millrace/contracts';
import type { Mapping } from './mapping.ts';
import { readSparkplugTopic, type SparkplugAddress, type SparkplugTemplate } from './sparkplug/topic.ts';
import { DEVICE_LEVEL, type LevelValues, matchTopic, TOPIC_LENGTH_MAX, type TopicTemplate } from './topic-template.ts';

/** What a topic says: whose message it is, and how to read it. */
export type DeviceTopic = TelemetryTopic | StatusTopic | SparkplugTopic;

interface AnyTopic {
  /** The device of the readings. */
  readonly deviceId: string;
  /** Who may publish it: the device itself, or the edge node that speaks for it. */
  readonly publisherId: string;
}

export interface TelemetryTopic extends AnyTopic {
  readonly kind: 'telemetry';
  /** The named levels beside the device's. */
  readonly levels: LevelValues;
  readonly mapping?: Mapping | undefined;
  /** The template, for messages about the mapping. */
  readonly route: string;
}

export interface StatusTopic extends AnyTopic {
  readonly kind: 'status';
  readonly levels: LevelValues;
}

export interface SparkplugTopic extends AnyTopic {
  readonly kind: 'sparkplug-b';
  readonly address: SparkplugAddress;
}

export type MqttRoute =
  | { readonly payload: 'telemetry'; readonly template: TopicTemplate; readonly mapping?: Mapping | undefined }
  | { readonly payload: 'status'; readonly template: TopicTemplate }
  | { readonly payload: 'sparkplug-b'; readonly template: SparkplugTemplate };

export interface MqttRoutes {
  /** `undefined` for a topic of no device. Cheap: the answers for recent topics are kept. */
  match(topic: string): DeviceTopic | undefined;
  /** What a bridge subscribes to. No topic is of two of them. */
  filters(): readonly string[];
  /** The templates as one text, for messages. */
  readonly description: string;
  readonly hasSparkplug: boolean;
}

/** Topics whose answer is kept, twice this at most; devices use the same few topics for ever. */
const TOPICS_KEPT_MAX = 25_000;
/** Longer topics are matched anew each time, so that what is kept stays small. */
const KEPT_TOPIC_LENGTH_MAX = 256;

/** Templates must not overlap: `readMqttRoutes` has seen to that. */
export function createMqttRoutes(routes: readonly MqttRoute[]): MqttRoutes {
  // Two generations instead of an order of use: a lookup costs one map access, and what is in use survives.
  let young = new Map<string, DeviceTopic>();
  let old = new Map<string, DeviceTopic>();

  function keep(topic: string, found: DeviceTopic): DeviceTopic {
    if (topic.length > KEPT_TOPIC_LENGTH_MAX) return found;
    if (young.size >= TOPICS_KEPT_MAX) {
      old = young;
      young = new Map();
    }
    young.set(topic, found);
    return found;
  }

  return {
    match(topic) {
      const known = young.get(topic);
      if (known !== undefined) return known;
      const older = old.get(topic);
      if (older !== undefined) return keep(topic, older);
      if (topic.length > TOPIC_LENGTH_MAX) return undefined;
      const levels = topic.split('/');
      for (const route of routes) {
        const found = readTopic(route, levels);
        if (found !== undefined) return keep(topic, found);
      }
      return undefined;
    },
    filters: () =>
      routes.flatMap((route) => (route.payload === 'sparkplug-b' ? route.template.filters : [route.template.filter])),
    description: routes.map(({ template }) => template.text).join(', '),
    hasSparkplug: routes.some(({ payload }) => payload === 'sparkplug-b'),
  };
}

function readTopic(route: MqttRoute, topicLevels: readonly string[]): DeviceTopic | undefined {
  if (route.payload === 'sparkplug-b') {
    const address = readSparkplugTopic(route.template, topicLevels);
    if (address === undefined) return undefined;
    return { kind: 'sparkplug-b', deviceId: address.sourceId, publisherId: address.nodeId, address };
  }
  const values = matchTopic(route.template, topicLevels);
  if (values === undefined) return undefined;
  const { [DEVICE_LEVEL]: deviceId = '', ...levels } = values;
  if (!DEVICE_ID.test(deviceId)) return undefined;
  const common = { deviceId, publisherId: deviceId, levels };
  if (route.payload === 'status') return { ...common, kind: 'status' };
  return { ...common, kind: 'telemetry', mapping: route.mapping, route: route.template.text };
}

const DEVICE_ID = new RegExp(`^[${ID_ALPHABET}]{1,${ID_LENGTH_MAX}}$`);
