/** How the result of a format can be sent while it is being computed. */
export interface StreamableFormat {
  /** Lines at the start of every chunk that name the columns; all but the first chunk's are cut off. */
  readonly headerLines: number;
}

/**
 * The engine streams a result as chunks, and each chunk is a whole document of its format. These formats are such that
 * the documents one after the other, without the header lines, are the one document. Any other (JSON, Parquet) is sent
 * when it is complete.
 */
const STREAMABLE: ReadonlyMap<string, StreamableFormat> = new Map([
  ['CSV', { headerLines: 0 }],
  ['JSONCompactEachRow', { headerLines: 0 }],
  ['JSONCompactEachRowWithNames', { headerLines: 1 }],
  ['JSONCompactEachRowWithNamesAndTypes', { headerLines: 2 }],
  ['JSONCompactStringsEachRow', { headerLines: 0 }],
  ['JSONCompactStringsEachRowWithNames', { headerLines: 1 }],
  ['JSONCompactStringsEachRowWithNamesAndTypes', { headerLines: 2 }],
  ['JSONEachRow', { headerLines: 0 }],
  ['JSONLines', { headerLines: 0 }],
  ['JSONStringsEachRow', { headerLines: 0 }],
  ['NDJSON', { headerLines: 0 }],
  ['Native', { headerLines: 0 }],
  ['RowBinary', { headerLines: 0 }],
  ['TSV', { headerLines: 0 }],
  ['TSVRaw', { headerLines: 0 }],
  ['TSVWithNames', { headerLines: 1 }],
  ['TSVWithNamesAndTypes', { headerLines: 2 }],
  ['TabSeparated', { headerLines: 0 }],
  ['TabSeparatedRaw', { headerLines: 0 }],
  ['TabSeparatedWithNames', { headerLines: 1 }],
  ['TabSeparatedWithNamesAndTypes', { headerLines: 2 }],
]);

export function streamableFormat(format: string): StreamableFormat | undefined {
  return STREAMABLE.get(format);
}

const NEWLINE = 0x0a;

/** The chunk without its first `lines` lines. */
export function withoutLines(chunk: Buffer, lines: number): Buffer {
  let start = 0;
  for (let line = 0; line < lines; line += 1) {
    const end = chunk.indexOf(NEWLINE, start);
    if (end === -1) return chunk.subarray(chunk.length);
    start = end + 1;
  }
  return chunk.subarray(start);
}

/** The media type ClickHouse answers with. */
export function contentType(format: string): string {
  if (/^(JSON\w*EachRow|JSONLines|NDJSON)/.test(format)) return 'application/x-ndjson; charset=UTF-8';
  if (format.startsWith('JSON')) return 'application/json; charset=UTF-8';
  if (format.startsWith('CSV')) return 'text/csv; charset=UTF-8; header=absent';
  if (/^(TSV|TabSeparated)/.test(format)) return 'text/tab-separated-values; charset=UTF-8';
  if (format === 'XML') return 'application/xml; charset=UTF-8';
  if (/^(Native|RowBinary|Parquet|Arrow|ORC|Avro|MsgPack|Protobuf|CapnProto|RawBLOB)/.test(format)) {
    return 'application/octet-stream';
  }
  return 'text/plain; charset=UTF-8';
}
