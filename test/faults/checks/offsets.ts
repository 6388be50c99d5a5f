import { createTopics } from '@millrace/contracts';
import { type CommittedRecords, select, type Tables } from '@millrace/test-platform';
import { examples, type Outcome } from './check.ts';

const topics = createTopics();

/** Which topic is stored in which table; `compacted` topics have forgotten records that the table still has. */
export const STORED_TOPICS: readonly { readonly topic: string; readonly table: string; readonly compacted?: true }[] = [
  { topic: topics.paymentsRaw.name, table: 'payments_raw' },
  { topic: topics.telemetryRaw.name, table: 'telemetry_raw' },
  { topic: topics.paymentsEnriched.name, table: 'payments' },
  { topic: topics.telemetryEnriched.name, table: 'telemetry' },
  { topic: topics.fraudDecisions.name, table: 'decisions' },
  { topic: topics.fraudAlerts.name, table: 'alerts' },
  { topic: topics.telemetryAlerts.name, table: 'alerts' },
  { topic: topics.customersProfile.name, table: 'profiles', compacted: true },
  { topic: topics.deadLetters.name, table: 'dead_letters' },
  { topic: topics.deadLettersRedriven.name, table: 'redrives', compacted: true },
];

/**
 * Every record that Kafka has committed is stored, and nothing else is: a gap in the offsets of a table is a control
 * record or an aborted one. No offset is there twice.
 */
export async function checkOffsets(tables: Tables, committed: CommittedRecords): Promise<Outcome[]> {
  return Promise.all(
    STORED_TOPICS.map(async ({ topic, table, compacted = false }) => {
      // A reading has a row for each of its metrics.
      const rowsOnce = table === 'telemetry' ? 'uniqExact(metric)' : '1';
      const rows = await select(
        tables,
        `SELECT concat(toString(_partition), '@', toString(_offset)) AS place, count() AS rows, ${rowsOnce} AS once
         FROM ${table} WHERE _topic = {topic:String} GROUP BY _partition, _offset`,
        { topic },
      );
      return compareOffsets({ topic, table, compacted, records: committed.of(topic), rows });
    }),
  );
}

export function compareOffsets(options: {
  readonly topic: string;
  readonly table: string;
  readonly compacted: boolean;
  readonly records: ReadonlySet<string>;
  readonly rows: readonly { readonly place: string; readonly rows: number; readonly once: number }[];
}): Outcome {
  const { topic, table, compacted, records, rows } = options;
  const stored = new Set(rows.map(({ place }) => place));
  const missing = [...records].filter((place) => !stored.has(place));
  const foreign = compacted ? [] : [...stored].filter((place) => !records.has(place));
  const twice = rows.filter(({ rows: count, once }) => count !== once).map(({ place }) => place);
  const problems = [
    ...examples('records are not stored', missing),
    ...examples('rows have no committed record', foreign),
    ...examples('offsets are stored more than once', twice),
  ];
  // A drill need not have raised an alert, or have made a dead letter.
  return { check: `offsets of ${topic} in ${table}`, compared: records.size, problems };
}
