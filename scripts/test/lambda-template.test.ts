// compose/lambda/template.yaml against the code that it deploys.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseDocument, type ScalarTag } from 'yaml';
import { allTopics, createTopics } from '../../packages/contracts/src/index.ts';
import { FUNCTIONS, type FunctionName } from '../../packages/lambda/src/index.ts';
import {
  lambdaConfigSchema as enricher,
  readLambdaConfig as readEnricher,
} from '../../services/enricher/src/lambda/config.ts';
import {
  lambdaConfigSchema as detector,
  readLambdaConfig as readDetector,
} from '../../services/fraud-detector/src/lambda/config.ts';
import {
  lambdaConfigSchema as ingest,
  readLambdaConfig as readIngest,
} from '../../services/ingest/src/lambda/config.ts';

const FOLDER = 'compose/lambda/';
/** Of the runtime, not of ours. */
const NODE_VARIABLES = ['NODE_OPTIONS'];
const MINUTES_MAX_OF_KAFKA = 14;
const PREFIX = /^\$\{TopicPrefix\}/;
const API_GATEWAY_SECONDS_MAX = 30;

type Value = string | number | boolean | null | Value[] | { [key: string]: Value };
interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, Value>;
}

const TAGS = ['Ref', 'Sub', 'GetAtt', 'If', 'Equals', 'Split'];
const document = parseDocument(readFileSync(`${FOLDER}template.yaml`, 'utf8'), {
  customTags: TAGS.flatMap(
    (name): ScalarTag[] =>
      [undefined, 'seq'].map((collection) => ({
        tag: `!${name}`,
        ...(collection === undefined ? {} : { collection: 'seq' as const }),
        resolve: (value: unknown) => ({
          [name]: collection === undefined ? value : (value as { toJSON(): Value }).toJSON(),
        }),
      })) as unknown as ScalarTag[],
  ),
});
const template = document.toJS() as {
  readonly Parameters: Record<string, { readonly Default?: Value; readonly Type: string }>;
  readonly Conditions: Record<string, Value>;
  readonly Globals: { readonly Function: Record<string, Value> };
  readonly Resources: Record<string, Resource>;
  readonly Outputs: Value;
};
const ofType = (type: string) => Object.entries(template.Resources).filter(([, { Type }]) => Type === type);
const functions = ofType('AWS::Serverless::Function').map(([name, { Properties }]) => ({
  name,
  of: String(Properties.CodeUri).replace('dist/', '') as FunctionName,
  properties: Properties,
  variables: { ...variablesOf(template.Globals.Function), ...variablesOf(Properties) },
}));
const sources = ofType('AWS::Lambda::EventSourceMapping').map(([name, { Properties }]) => ({
  name,
  properties: Properties,
}));

function variablesOf(properties: Record<string, Value>): Record<string, Value> {
  const { Variables = {} } = (properties.Environment ?? {}) as { Variables?: Record<string, Value> };
  return Variables;
}

/** Everything that stands under a key, anywhere. */
function found(value: Value, key: string): Value[] {
  if (Array.isArray(value)) return value.flatMap((item) => found(item, key));
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([name, inner]) => [...(name === key ? [inner] : []), ...found(inner, key)]);
}

test('the template is YAML with no tag that nobody knows, and has what is deployed', () => {
  assert.deepEqual([...document.errors, ...document.warnings].map(String), []);
  assert.deepEqual(functions.map(({ of }) => of).sort(), Object.keys(FUNCTIONS).sort());
  assert.equal(sources.length, 4);
});

test('what it refers to is there', () => {
  const known = new Set([...Object.keys(template.Parameters), ...Object.keys(template.Resources)]);
  const all = template as unknown as Value;
  const names = [
    ...found(all, 'Ref').map(String),
    ...found(all, 'GetAtt').map((name) => String(name).split('.')[0] ?? ''),
    ...found(all, 'Sub').flatMap((text) => [...String(text).matchAll(/\$\{([^}]+)\}/g)].map(([, name]) => name ?? '')),
  ].filter((name) => !name.startsWith('AWS::'));
  assert.deepEqual(
    names.filter((name) => !known.has(name)),
    [],
  );
  assert.ok(names.length > 40);
  for (const parameter of Object.keys(template.Parameters)) {
    assert.ok(names.includes(parameter), `nothing uses the parameter ${parameter}`);
  }
  for (const condition of found(all, 'If')) assert.ok(String((condition as Value[])[0]) in template.Conditions);
});

test('every function is built, and exports the handler that is called', () => {
  assert.equal(template.Globals.Function.Handler, 'lambda.handler');
  for (const { of } of functions) {
    const source = readFileSync(FUNCTIONS[of], 'utf8');
    assert.match(source, /^export const (handler|\{ handle: handler \}) =/m, FUNCTIONS[of]);
    assert.ok(FUNCTIONS[of].endsWith('/lambda.ts'), 'which is bundled as lambda.mjs');
  }
});

test('the runtime is the Node that the bundle is made for', () => {
  const { Runtime } = template.Globals.Function;
  assert.equal(Runtime, 'nodejs24.x');
  assert.match(readFileSync('packages/lambda/src/bundle.ts', 'utf8'), /TARGET = 'node24'/);
});

test('every variable of a function is one of its settings, and every setting without a default is there', () => {
  const schemas = { ingest, enricher, 'fraud-detector': detector };
  for (const { of, variables } of functions) {
    const settings = Object.keys(schemas[of].properties);
    const strange = Object.keys(variables).filter((name) => !settings.includes(name) && !NODE_VARIABLES.includes(name));
    assert.deepEqual(strange, [], of);
    assert.deepEqual(
      settings.filter((name) => !(name in variables)),
      [],
      `${of}: a setting that nobody can set`,
    );
  }
});

test('with the defaults of its parameters every function starts', () => {
  const given: Record<string, string> = {
    KafkaBrokers: 'b-1.kafka.example.internal:9096,b-2.kafka.example.internal:9096',
  };
  const resolve = (value: Value): string => {
    if (value === null || typeof value !== 'object') return String(value);
    const { Ref: name } = value as { Ref?: string };
    if (name === undefined) return 'a-secret-of-at-least-thirty-two-letters';
    return given[name] ?? String(template.Parameters[name]?.Default ?? assert.fail(`${name} has no default`));
  };
  const read = { ingest: readIngest, enricher: readEnricher, 'fraud-detector': readDetector };
  for (const { of, variables } of functions) {
    const env = Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, resolve(value)]));
    const config = read[of](env);
    assert.equal(config.KAFKA_TLS, true);
    assert.equal(config.KAFKA_BROKERS.length, 2);
  }
});

test('secrets are references, never values', () => {
  for (const { variables } of functions) {
    for (const [name, value] of Object.entries(variables)) {
      if (!/SECRET|PASSWORD/.test(name)) continue;
      assert.match(
        String((value as { Sub?: string }).Sub),
        /^\{\{resolve:secretsmanager:\$\{\w+Arn\}:SecretString:\w+\}\}$/,
      );
    }
  }
});

test('every event source reads a topic of ours, hears what is not done, and has a group that is no application', () => {
  const topics = allTopics(createTopics()).map(({ name }) => name);
  const groups: string[] = [];
  for (const { name, properties } of sources) {
    const [topic] = found(properties.Topics ?? null, 'Sub').map((text) => String(text).replace(PREFIX, ''));
    assert.ok(topics.includes(topic ?? ''), `${name}: ${topic}`);
    assert.deepEqual(properties.FunctionResponseTypes, ['ReportBatchItemFailures'], name);
    assert.equal(properties.StartingPosition, 'TRIM_HORIZON', name);
    const ids = found(properties, 'ConsumerGroupId').map((id) =>
      String((id as { Sub: string }).Sub).replace(PREFIX, ''),
    );
    assert.equal(new Set(ids).size, 1, 'the same for both kinds of cluster');
    groups.push(ids[0] ?? '');
    assert.ok(!['enricher', 'fraud-detector'].includes(ids[0] ?? ''), name);
  }
  assert.equal(new Set(groups).size, sources.length);
});

test('functions end before those who wait for them give up', () => {
  for (const { of, properties } of functions) {
    const seconds = Number(properties.Timeout);
    assert.ok(seconds > 0 && seconds < (of === 'ingest' ? API_GATEWAY_SECONDS_MAX : MINUTES_MAX_OF_KAFKA * 60), of);
  }
});

test('the layer of API keys is not part of the repository, and the folder says how to make it', () => {
  assert.equal(template.Resources.ApiKeys?.Properties.ContentUri, 'api-keys');
  assert.ok(existsSync(`${FOLDER}api-keys/README.md`));
  assert.match(readFileSync('.gitignore', 'utf8'), /^compose\/lambda\/api-keys\/\*\.json$/m);
});
