import { wireSchemas } from '@millrace/contracts';

/** A topic with names in place of levels: `{site}/{device_id}/up`. */
export interface TopicTemplate {
  readonly text: string;
  /** The same as a subscription: `+/+/up`. */
  readonly filter: string;
  readonly levels: readonly TopicLevel[];
}

export type TopicLevel =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'name'; readonly name: string };

/** Values of the named levels; `undefined` when the topic is not of the template. */
export type LevelValues = Readonly<Record<string, string>>;

/** Longer topics are of no template. */
export const TOPIC_LENGTH_MAX = 1_024;
/** The level that every template has: it says whose message it is. */
export const DEVICE_LEVEL = 'device_id';

/**
 * A template from its text. Levels are literal or one name in braces; `{device_id}` is there exactly once. The names
 * become attributes of a reading, so they cannot be fields of `telemetry.v1`.
 *
 * Returns what is wrong with the remedy, when the text is no template.
 */
export function parseTopicTemplate(text: string): TopicTemplate | { readonly fault: string } {
  if (text.length > TOPIC_LENGTH_MAX) return { fault: `is longer than ${TOPIC_LENGTH_MAX} characters; shorten it` };
  if (/[+#\0]/.test(text)) return { fault: 'has +, # or NUL in it; write {a_name} for a level that may be anything' };
  if (text.startsWith('$')) return { fault: "begins with $, which belongs to the broker; use the devices' own topics" };
  const levels: TopicLevel[] = [];
  const names = new Set<string>();
  for (const level of text.split('/')) {
    const name = /^\{(.*)\}$/.exec(level)?.[1];
    if (name === undefined) {
      if (/[{}]/.test(level)) return { fault: `has a brace within the level ${level}; a name takes a whole level` };
      levels.push({ kind: 'literal', text: level });
      continue;
    }
    if (!NAME.test(name)) return { fault: `names a level {${name}}; names are a-z, then a-z 0-9 _, at most 64 in all` };
    if (names.has(name)) return { fault: `has {${name}} twice; give each level a name of its own` };
    if (name !== DEVICE_LEVEL && name in wireSchemas.telemetry.properties) {
      return { fault: `names a level {${name}}, which is a field of telemetry.v1; choose another name` };
    }
    names.add(name);
    levels.push({ kind: 'name', name });
  }
  if (!names.has(DEVICE_LEVEL)) return { fault: `has no {${DEVICE_LEVEL}}; put it where the topic names the device` };
  const filter = levels.map((level) => (level.kind === 'literal' ? level.text : '+')).join('/');
  return { text, filter, levels };
}

/** The named levels of a topic, which has been split at its slashes. A named level is never empty. */
export function matchTopic(template: TopicTemplate, topicLevels: readonly string[]): LevelValues | undefined {
  const { levels } = template;
  if (topicLevels.length !== levels.length) return undefined;
  // [MQTT-4.7.2-1] a wildcard does not match a first level that begins with $.
  if (topicLevels[0]?.startsWith('$')) return undefined;
  const values: Record<string, string> = {};
  for (const [index, level] of levels.entries()) {
    const value = topicLevels[index] ?? '';
    if (level.kind === 'literal') {
      if (value !== level.text) return undefined;
    } else {
      if (value === '') return undefined;
      values[level.name] = value;
    }
  }
  return values;
}

/** Whether a topic could be of both. */
export function overlap(a: TopicTemplate, b: TopicTemplate): boolean {
  return (
    a.levels.length === b.levels.length &&
    a.levels.every((level, index) => {
      const other = b.levels[index];
      return level.kind === 'name' || other?.kind !== 'literal' || level.text === other.text;
    })
  );
}

const NAME = /^(?!prototype$)[a-z][a-z0-9_]{0,63}$/;
