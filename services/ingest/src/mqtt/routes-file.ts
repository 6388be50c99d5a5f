import { readFile } from 'node:fs/promises';
import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';
import { IngestError } from '../errors.ts';
import { compileMapping } from './mapping.ts';
import { createMqttRoutes, type MqttRoute, type MqttRoutes } from './routes.ts';
import { parseSparkplugTemplate, SPARKPLUG_TEMPLATE } from './sparkplug/topic.ts';
import { overlap, parseTopicTemplate, type TopicTemplate } from './topic-template.ts';

/** Each is a subscription of the bridge, and is tried for a topic that has not been seen lately. */
const ROUTES_MAX = 64;
const MAPPING_LENGTH_MAX = 16_384;

const PAYLOADS = ['telemetry', 'status', 'sparkplug-b'] as const;
const Route = Type.Object(
  {
    topic: Type.String({ minLength: 1 }),
    payload: Type.Enum(PAYLOADS),
    mapping: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
  },
  { additionalProperties: false },
);
const RoutesFile = Type.Object(
  { routes: Type.Array(Route, { minItems: 1, maxItems: ROUTES_MAX }) },
  { additionalProperties: false },
);

export const DEFAULT_ROUTES: Static<typeof RoutesFile> = {
  routes: [
    { topic: 'devices/{device_id}/telemetry', payload: 'telemetry' },
    { topic: 'devices/{device_id}/status', payload: 'status' },
  ],
};

export interface RoutesOptions {
  /** Of the bridge; Sparkplug needs all messages of a node in one place, and refuses it. */
  readonly shareGroup?: string | undefined;
}

/**
 * The routes of MQTT from a JSON file: `{ "routes": [{ "topic", "payload", "mapping" }] }`; without a file the two
 * topics of a device.
 *
 * @throws {IngestError} `routes-file` with every fault and its remedy.
 */
export async function loadMqttRoutes(file: string | undefined, options: RoutesOptions = {}): Promise<MqttRoutes> {
  if (file === undefined) return readMqttRoutes(DEFAULT_ROUTES, options);
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    const problem = cause instanceof SyntaxError ? `is not JSON: ${cause.message}` : 'cannot be read';
    throw new IngestError('routes-file', `MQTT_ROUTES_FILE: ${file} ${problem}.`, { cause });
  }
  return readMqttRoutes(content, options, file);
}

/** The same from the content of the file. @throws {IngestError} `routes-file` */
export function readMqttRoutes(content: unknown, options: RoutesOptions = {}, file = 'the routes'): MqttRoutes {
  const faults = schemaFaults(content);
  const routes: MqttRoute[] = [];
  for (const [index, definition] of definitionsIn(content)) {
    const result = readRoute(definition);
    if ('route' in result) routes.push(result.route);
    faults.push(...result.faults.map((fault) => `routes/${index} (${definition.topic}): ${fault}`));
  }
  faults.push(...overlaps(routes));
  if (options.shareGroup !== undefined && routes.some(({ payload }) => payload === 'sparkplug-b')) {
    faults.push(
      'MQTT_SHARE_GROUP divides the messages of an edge node among instances, and sparkplug-b needs them all in one ' +
        'place; leave MQTT_SHARE_GROUP unset and run one instance for these routes, for other groups another',
    );
  }
  if (faults.length > 0) throw refused(file, faults);
  return createMqttRoutes(routes);
}

type RouteDefinition = Static<typeof Route>;

/** Those that have the right form, also beside others that have not. */
function definitionsIn(content: unknown): [number, RouteDefinition][] {
  const routes = typeof content === 'object' && content !== null && 'routes' in content ? content.routes : undefined;
  if (!Array.isArray(routes)) return [];
  return routes
    .slice(0, ROUTES_MAX)
    .flatMap((route: unknown, index): [number, RouteDefinition][] =>
      Value.Check(Route, route) ? [[index, route]] : [],
    );
}

function readRoute({ topic, payload, mapping }: RouteDefinition): { faults: string[]; route?: MqttRoute } {
  const faults: string[] = [];
  const compiled = mapping === undefined ? undefined : readMapping(mapping);
  if (typeof compiled === 'string') faults.push(compiled);
  if (mapping !== undefined && payload !== 'telemetry') {
    faults.push(`a mapping makes telemetry of JSON; remove it, or set payload to telemetry instead of ${payload}`);
  }
  if (payload === 'sparkplug-b') {
    const template = parseSparkplugTemplate(topic);
    if (template !== undefined) return { faults, route: { payload, template } };
    faults.push(`is not Sparkplug's namespace; write ${SPARKPLUG_TEMPLATE}, or a group in place of {group_id}`);
    return { faults };
  }
  const template = parseTopicTemplate(topic);
  if ('fault' in template) return { faults: [...faults, template.fault] };
  if (payload === 'status') return { faults, route: { payload, template } };
  return { faults, route: { payload, template, ...(typeof compiled === 'object' && compiled) } };
}

function readMapping(mapping: string | readonly string[]) {
  const source = typeof mapping === 'string' ? mapping : mapping.join('\n');
  if (source.length > MAPPING_LENGTH_MAX) return `mapping has more than ${MAPPING_LENGTH_MAX} characters; shorten it`;
  const compiled = compileMapping(source);
  return 'fault' in compiled ? `mapping ${compiled.fault}` : compiled;
}

/**
 * With overlapping subscriptions a broker may deliver a message once for each [MQTT-3.3.4, MQTT 5 section 3.3.4], and
 * nobody could tell which route was meant, so each topic is of one route.
 */
function overlaps(routes: readonly MqttRoute[]): string[] {
  return routes.flatMap((route, index) =>
    routes
      .slice(0, index)
      .filter((other) => shareTopics(route, other))
      .map(({ template }) => {
        const both = `${template.text} and ${route.template.text} can be the same topic`;
        return `${both}; give them a literal level in which they differ`;
      }),
  );
}

function shareTopics(a: MqttRoute, b: MqttRoute): boolean {
  if (a.payload === 'sparkplug-b' && b.payload === 'sparkplug-b') {
    return a.template.group === undefined || b.template.group === undefined || a.template.group === b.template.group;
  }
  const templates = [a, b].map((route) =>
    route.payload === 'sparkplug-b' ? route.template.filters.map(asTemplate) : [route.template],
  );
  return templates[0]?.some((one) => templates[1]?.some((other) => overlap(one, other)) === true) === true;
}

/** A subscription as a template, only to be compared. */
function asTemplate(filter: string): TopicTemplate {
  const levels = filter
    .split('/')
    .map((level) =>
      level === '+' ? ({ kind: 'name', name: level } as const) : ({ kind: 'literal', text: level } as const),
    );
  return { text: filter, filter, levels };
}

function schemaFaults(content: unknown): string[] {
  return Value.Errors(RoutesFile, content).map(({ instancePath, message, params }) => {
    const allowed = 'allowedValues' in params ? ` (${String(params.allowedValues)})` : '';
    const unknown = 'additionalProperties' in params ? ` (${String(params.additionalProperties)})` : '';
    return `${instancePath.slice(1) || 'its top'} ${message}${allowed}${unknown}`;
  });
}

function refused(file: string, faults: readonly string[]): IngestError {
  const list = faults.map((fault) => `\n  - ${fault}.`).join('');
  return new IngestError('routes-file', `MQTT_ROUTES_FILE: ${file} cannot be used:${list}`);
}
