// npm run docs:topology    writes docs/topology.md from the topologies of the services; a test says when it is due.
import { writeFileSync } from 'node:fs';
import { createTopics } from '../packages/contracts/src/index.ts';
import { describe, type Topology, toMermaid } from '../packages/streams/src/index.ts';
import { createTopology as createEnricher } from '../services/enricher/src/topology.ts';
import { createTopology as createFraudDetector } from '../services/fraud-detector/src/topology.ts';

export const DOCUMENT = new URL('../docs/topology.md', import.meta.url);

const ignore = (): void => undefined;

export function topologyDocument(): string {
  const topics = createTopics();
  const enricher = createEnricher(topics, { applicationId: 'enricher', onDuplicate: ignore });
  const observe = { decision: ignore, alert: ignore, ruleFaults: ignore };
  const fraudDetector = createFraudDetector(topics, { applicationId: 'fraud-detector', observe });
  return `# Topology

Made by \`npm run docs:topology\` from \`services/enricher/src/topology.ts\` and \`services/fraud-detector/src/topology.ts\`.
Rounded: topics. Rectangles: processors, each a task per partition. Drums: their stores, each with a changelog topic
\`<application>.<processor>.<store>.changelog\`. Dotted: topics that every instance holds as a whole.
${section('Enricher', enricher)}${section('Fraud detector', fraudDetector)}`;
}

const section = (title: string, topology: Topology): string => `
## ${title}

\`\`\`mermaid
${toMermaid(topology)}
\`\`\`

\`\`\`
${describe(topology)}
\`\`\`
`;

if (import.meta.main) writeFileSync(DOCUMENT, topologyDocument());
