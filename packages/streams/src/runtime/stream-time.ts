const STREAM_TIME = /^streamTimeMs=(-?\d+(?:\.\d+)?)$/;

/** The metadata of a committed offset: where stream time was, so that a new owner of the partition goes on with it. */
export const encodeStreamTime = (streamTimeMs: number): string =>
  Number.isFinite(streamTimeMs) ? `streamTimeMs=${streamTimeMs}` : '';

export const decodeStreamTime = (metadata: string): number =>
  Number(STREAM_TIME.exec(metadata)?.[1] ?? Number.NEGATIVE_INFINITY);
