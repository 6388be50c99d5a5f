/** One sample of a scrape: `name{label="value"} 12`. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Reads Prometheus's text format; comments, and lines that are not samples, are passed over. */
export function parseSamples(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, name = '', labels = '', value = ''] = match;
    samples.push({
      name,
      labels: Object.fromEntries(
        Array.from(labels.matchAll(LABEL), ([, label = '', content = '']) => [label, content]),
      ),
      value: value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value),
    });
  }
  return samples;
}
