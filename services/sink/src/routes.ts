import { HEADER_REDRIVEN_FOR, isForStage, type TopicContract, type Topics } from '@millrace/contracts';
import { headerOf } from '@millrace/kafka';
import type { RecordTableName } from '@millrace/warehouse';
import { STAGE } from './dead-letter.ts';
import { idRow, metricRows, type RowMaker, type Rows, splicedRow, versionRow } from './rows.ts';

/** From a topic into a table. */
export interface Route {
  readonly topic: string;
  readonly table: RecordTableName;
  readonly rows: RowMaker;
  /** What becomes of a record that cannot be a row: a raw topic's own processor writes its dead letter. */
  readonly refused: 'dead-letter' | 'count';
  /** Somebody waits to see these; the others may gather longer into bigger blocks. */
  readonly urgent: boolean;
}

/** Every topic worth keeping. Several topics may share a table, as their rows say where they are from. */
export function createRoutes(topics: Topics): readonly Route[] {
  const { paymentsRaw, telemetryRaw, customersProfile, telemetryEnriched } = topics;
  return [
    route(paymentsRaw, 'payments_raw', idRow(paymentsRaw, 'transaction_id'), { refused: 'count' }),
    route(telemetryRaw, 'telemetry_raw', idRow(telemetryRaw, 'reading'), { refused: 'count' }),
    route(topics.paymentsEnriched, 'payments', splicedRow(topics.paymentsEnriched), { urgent: true }),
    route(topics.fraudDecisions, 'decisions', splicedRow(topics.fraudDecisions, 'value'), { urgent: true }),
    route(topics.fraudAlerts, 'alerts', splicedRow(topics.fraudAlerts, 'value'), { urgent: true }),
    route(topics.telemetryAlerts, 'alerts', splicedRow(topics.telemetryAlerts, 'value'), { urgent: true }),
    route(telemetryEnriched, 'telemetry', metricRows(telemetryEnriched)),
    route(customersProfile, 'profiles', versionRow(customersProfile, 'customer_id')),
    route(topics.fraudLabels, 'labels', splicedRow(topics.fraudLabels)),
    route(topics.deadLetters, 'dead_letters', splicedRow(topics.deadLetters)),
    route(topics.deadLettersRedriven, 'redrives', splicedRow(topics.deadLettersRedriven)),
  ];
}

function route<T>(
  contract: TopicContract<T>,
  table: RecordTableName,
  rows: RowMaker,
  { refused = 'dead-letter', urgent = false }: Partial<Pick<Route, 'refused' | 'urgent'>> = {},
): Route {
  return { topic: contract.name, table, rows: unlessForOthers(rows), refused, urgent };
}

const NO_ROWS: Rows = { lines: [], count: 0 };

/** A record that was made again of a dead letter, and that had been stored the first time, is passed by. */
function unlessForOthers(rows: RowMaker): RowMaker {
  return (record, careful) => {
    const stages = headerOf(record, HEADER_REDRIVEN_FOR)?.toString();
    return isForStage(stages, STAGE) ? rows(record, careful) : NO_ROWS;
  };
}
