import { select, type Tables } from '@millrace/test-platform';
import type { SentIds } from '../traffic.ts';
import { examples, type Outcome, outcome } from './check.ts';

/** Rows of each id. */
type Rows = ReadonlyMap<string, number>;

/** Every payment that was acknowledged is stored and decided once; what was not acknowledged at most once. */
export async function checkPayments(tables: Tables, ids: SentIds): Promise<Outcome[]> {
  const names = ['payments', 'decisions'] as const;
  return Promise.all(
    names.map(async (table) => {
      const sql = `SELECT transaction_id AS id, count() AS rows FROM ${table} GROUP BY id`;
      return compareIds(`payments in ${table}`, ids, rowsOf(await select(tables, sql)));
    }),
  );
}

/** The same of readings, which have a row for each metric. */
export async function checkReadings(tables: Tables, ids: SentIds): Promise<Outcome> {
  // Who comes and goes leaves readings of its own, with a metric of its own.
  const sql = `SELECT concat(device_id, ':', toString(toUnixTimestamp64Milli(event_time)), ':', ifNull(toString(sequence), '')) AS id,
      count() - uniqExact(metric) + 1 AS rows
    FROM telemetry WHERE metric != 'online' GROUP BY id`;
  return compareIds('readings in telemetry', ids, rowsOf(await select(tables, sql)));
}

export function compareIds(check: string, { sent, acknowledged }: SentIds, rows: Rows): Outcome {
  const lost = [...acknowledged].filter((id) => !rows.has(id));
  const twice = [...rows].filter(([, count]) => count !== 1).map(([id, count]) => `${id} (${count} rows)`);
  const unknown = [...rows.keys()].filter((id) => !sent.has(id));
  return outcome(check, acknowledged.size, [
    ...examples('acknowledged and lost', lost),
    ...examples('there more than once', twice),
    ...examples('that nobody sent', unknown),
  ]);
}

/** A decision that does not approve has one alert, and any other has none. */
export async function checkAlerts(tables: Tables): Promise<Outcome> {
  const rows = await select(
    tables,
    `SELECT id, sum(wanted) AS wanted, sum(there) AS there FROM (
       SELECT transaction_id AS id, toInt64(decision != 'approve') AS wanted, toInt64(0) AS there FROM decisions
       UNION ALL
       SELECT transaction_id AS id, toInt64(0) AS wanted, toInt64(1) AS there FROM alerts WHERE transaction_id != ''
     ) GROUP BY id`,
  );
  const wrong = rows.filter(({ wanted, there }) => wanted !== there);
  return outcome('an alert for each decision that is no approval', rows.filter(({ wanted }) => wanted > 0).length, [
    ...examples(
      'decisions with another number of alerts',
      wrong.map(({ id, wanted, there }) => `${id} (${there} for ${wanted})`),
    ),
  ]);
}

function rowsOf(answer: readonly { id: string; rows: number }[]): Rows {
  return new Map(answer.map(({ id, rows }) => [id, rows]));
}
