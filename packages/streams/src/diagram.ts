import type { AnyProcessor, StoreDefinitions, Topics, Topology, TopologyNode } from './topology.ts';

/** Names may have any characters, ids may not: whatever is drawn has a number. */
type IdOf = (...name: string[]) => string;

/**
 * The topology as a Mermaid flowchart: topics, and between them the processors with their stores; one that was built of
 * steps as a frame around them. Dotted lines lead from global tables, lines without an arrow to stores.
 */
export function toMermaid({ processors }: Topology): string {
  const ids = new Map<string, string>();
  const idOf: IdOf = (...name) => {
    const key = JSON.stringify(name);
    const id = ids.get(key) ?? `n${ids.size + 1}`;
    ids.set(key, id);
    return id;
  };
  const topics = new Set(
    processors.flatMap(({ inputs, globals, outputs }) => [inputs, globals ?? {}, outputs].flatMap(namesOf)),
  );
  const lines = ['flowchart LR', ...Array.from(topics, (topic) => `${idOf('topic', topic)}([${quoted(topic)}])`)];
  for (const processor of processors) {
    const { name, globals, nodes } = processor;
    lines.push(...(nodes === undefined ? whole(processor, idOf) : inSteps(processor, nodes, idOf)));
    for (const topic of namesOf(globals ?? {})) lines.push(`${idOf('topic', topic)} -.-> ${idOf('processor', name)}`);
  }
  return lines.join('\n  ');
}

function whole({ name, inputs, stores, outputs }: AnyProcessor, idOf: IdOf): string[] {
  const id = idOf('processor', name);
  return [
    `${id}[${quoted(name)}]`,
    ...namesOf(inputs).map((topic) => `${idOf('topic', topic)} --> ${id}`),
    ...Object.keys((stores ?? {}) as StoreDefinitions).map(
      (store) => `${id} --- ${idOf('store', name, store)}[(${quoted(store)})]`,
    ),
    ...namesOf(outputs).map((topic) => `${id} --> ${idOf('topic', topic)}`),
  ];
}

function inSteps({ name, stores }: AnyProcessor, nodes: readonly TopologyNode[], idOf: IdOf): string[] {
  const frame = `subgraph ${idOf('processor', name)}[${quoted(name)}]`;
  const stepId = (step: string) => idOf('step', name, step);
  const labelOf = ({ name: step, kind }: TopologyNode) => quoted(step.startsWith(kind) ? step : `${step}: ${kind}`);
  const drawn = nodes.map((node) => `${stepId(node.name)}[${labelOf(node)}]`);
  const flows = nodes.flatMap(({ name: step, from }) => from.map((source) => `${stepId(source)} --> ${stepId(step)}`));
  const kept = Object.keys((stores ?? {}) as StoreDefinitions).map(
    // The store of a step has its name.
    (store) => `${stepId(store)} --- ${idOf('store', name, store)}[(${quoted(store)})]`,
  );
  const outside = nodes.flatMap(({ name: step, kind, detail = '' }) => {
    if (kind === 'source') return [`${idOf('topic', detail)} --> ${stepId(step)}`];
    return kind === 'sink' ? [`${stepId(step)} --> ${idOf('topic', detail)}`] : [];
  });
  return [frame, ...drawn, ...kept, 'end', ...flows, ...outside];
}

const namesOf = (topics: Topics): string[] => Object.values(topics).map(({ name }) => name);

/** A label in quotes takes any character but a quote. */
const quoted = (label: string): string => `"${label.replaceAll('"', '#quot;')}"`;
