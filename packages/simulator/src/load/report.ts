import { formatTable } from '../cli/table.ts';
import type { Loaded, LoadState } from './load-file.ts';

/** Problems that are printed of each file. */
const PRINTED_MAX = 20;
const number = new Intl.NumberFormat('en');

/** A line about a load that is under way: rows, speed, share and time left, as far as they are known. */
export function progressText(
  { rows, sentBytes, waitingFor }: LoadState,
  { bytes, rowsBefore, elapsedMs }: { readonly bytes: number; readonly rowsBefore: number; readonly elapsedMs: number },
): string {
  if (waitingFor !== undefined) return `waiting: ${waitingFor}`;
  const seconds = elapsedMs / 1_000;
  const perSecond =
    seconds > 0 && rows > rowsBefore ? `, ${number.format(Math.round((rows - rowsBefore) / seconds))}/s` : '';
  const leftSeconds = sentBytes > 0 && sentBytes < bytes ? (seconds * (bytes - sentBytes)) / sentBytes : undefined;
  const left = leftSeconds === undefined ? '' : `, ${Math.ceil(leftSeconds)} s left`;
  return `${rows > 0 ? `${number.format(rows)} rows${perSecond}` : `${number.format(sentBytes)} bytes`}${left}`;
}

/** Whether everything in a file was taken. */
export function isGood({ done, rejected, failure, dry_run }: Loaded): boolean {
  return rejected === 0 && failure === undefined && (done || dry_run);
}

export function printLoaded(loaded: Loaded): void {
  const counts = ['received', 'accepted', 'rejected', 'skipped', 'events'] as const;
  console.log(
    formatTable([
      [loaded.file, loaded.dry_run ? 'dry run' : (loaded.batch_id ?? 'batch')],
      ...counts.map((name) => [name, loaded[name]]),
    ]),
  );
  for (const { line, field, message } of loaded.problems.slice(0, PRINTED_MAX)) {
    console.log(`${loaded.file}:${line}: ${field === '' ? message : `${field} ${message}`}`);
  }
  const more = loaded.problems.length - PRINTED_MAX + loaded.problems_omitted;
  if (more > 0) console.log(`${number.format(more)} more problems are not listed.`);
  if (loaded.unused_columns.length > 0) console.log(`Columns that nothing uses: ${loaded.unused_columns.join(', ')}.`);
  if (loaded.resumed_after_line > 0) console.log(`Went on behind line ${number.format(loaded.resumed_after_line)}.`);
  if (loaded.failure !== undefined) console.log(`Not read to its end: ${loaded.failure}`);
  else if (loaded.dry_run) console.log('Nothing was kept.');
}
