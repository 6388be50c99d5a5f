import { type DeviceMessage, readDeviceMessage } from '../mqtt/device-message.ts';
import { readMappedMessage } from '../mqtt/mapped-message.ts';
import type { MqttRoutes } from '../mqtt/routes.ts';
import type { SparkplugReader } from '../mqtt/sparkplug/message.ts';
import type { ReadMqttMessage } from './read-letter.ts';

export interface MessageReaderOptions {
  readonly routes: MqttRoutes;
  /** Needed when a route is one of Sparkplug. */
  readonly readSparkplug?: SparkplugReader | undefined;
}

/** Reads a message of MQTT as the intake does, by the routes and mappings of now. */
export function createMessageReader({ routes, readSparkplug }: MessageReaderOptions): ReadMqttMessage {
  return (origin, payload, options) => {
    const topic = routes.match(origin.topic);
    if (topic === undefined) {
      return refused('unknown-topic', `The topic names no device: none of ${routes.description} is like it.`, payload);
    }
    const { deviceId, publisherId } = topic;
    if (origin.device_id !== undefined && origin.device_id !== deviceId && origin.device_id !== publisherId) {
      return refused('foreign-topic', `The topic is not one of ${origin.device_id}, who published it.`, payload);
    }
    switch (topic.kind) {
      case 'sparkplug-b': {
        const { type } = topic.address;
        if (type !== 'NDATA' && type !== 'DDATA') return { outOfDate: `A ${type} speaks of its own moment only.` };
        if (readSparkplug === undefined) throw new TypeError('A route of Sparkplug needs a reader of Sparkplug.');
        // Out of its order, so that it does not count as a gap, nor as what comes next.
        return readSparkplug(topic.address, payload, { ...options, redelivered: true });
      }
      case 'telemetry':
        if (topic.mapping !== undefined) return readMappedMessage(topic, topic.mapping, payload, options);
        return readDeviceMessage(topic, payload, options);
      case 'status':
        return readDeviceMessage(topic, payload, options);
    }
  };
}

function refused(
  reason: DeviceMessage['refusals'][number]['reason'],
  message: string,
  bytes: Uint8Array,
): DeviceMessage {
  return { readings: [], refusals: [{ reason, message, bytes }] };
}
