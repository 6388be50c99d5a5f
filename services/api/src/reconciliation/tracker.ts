import { HOP, type HopCounts, type HopSighting, type ReconciledKind, STORED_HOPS } from '@millrace/warehouse';

export interface TrackerOptions {
  readonly kind: ReconciledKind;
  /** Complete events that are remembered, so that a repeat or a late ledger entry is recognised. */
  readonly recentMax?: number;
}

/** A quarter of a million numbers with their map: 15 MB. At 500 events/s that is eight minutes. */
export const RECENT_MAX = 262_144;

/**
 * Follows events from hop to hop, from what each read of the tables newly shows, and keeps totals.
 *
 * An event is *under way* from its first sighting until every hop has shown it; then it is complete, counted, and
 * after a while forgotten. Counts are of complete events and of those *settled*: under way since before a given time,
 * and confirmed not to be a forgotten one that was seen again. Memory is bounded by `recentMax` and by the caller,
 * who stops reading the first hops when `underWay` is large.
 */
export interface Tracker {
  observe(sightings: readonly HopSighting[]): void;
  /** Settled events whose past has not been looked up, the oldest first. */
  unconfirmed(settledBeforeMs: number, max: number): number[];
  /** Takes in what the tables say of events in `looked`, up to where they were read. */
  confirm(looked: readonly number[], found: readonly HopSighting[]): void;
  counts(settledBeforeMs: number): HopCounts;
  readonly underWay: number;
}

interface Event {
  hops: number;
  sinceMs: number;
  confirmed: boolean;
}

export function createTracker({ kind, recentMax = RECENT_MAX }: TrackerOptions): Tracker {
  const storedHops = STORED_HOPS[kind];
  const completeHops = storedHops | HOP.raw;
  const underWay = new Map<number, Event>();
  const recent = new Set<number>();
  let complete = 0;
  let duplicated = 0;

  function remember(hash: number): void {
    recent.add(hash);
    if (recent.size <= recentMax) return;
    // A Set keeps the order of insertion: the first is the one that was completed longest ago.
    for (const oldest of recent) {
      recent.delete(oldest);
      break;
    }
  }

  function observeOne(sighting: HopSighting): void {
    if (recent.has(sighting.hash)) {
      duplicated += sighting.enrichedRows + sighting.decidedRows;
      return;
    }
    let event = underWay.get(sighting.hash);
    if (event === undefined) {
      event = { hops: 0, sinceMs: sighting.sinceMs, confirmed: false };
      underWay.set(sighting.hash, event);
    }
    duplicated += repeats(event.hops, sighting);
    event.hops |= sighting.hops;
    event.sinceMs = Math.min(event.sinceMs, sighting.sinceMs);
    if ((event.hops & completeHops) !== completeHops) return;
    complete += 1;
    underWay.delete(sighting.hash);
    remember(sighting.hash);
  }

  return {
    observe: (sightings) => {
      for (const sighting of sightings) observeOne(sighting);
    },
    unconfirmed: (settledBeforeMs, max) => {
      const hashes: number[] = [];
      for (const [hash, event] of underWay) {
        if (hashes.length === max) break;
        if (!event.confirmed && event.sinceMs <= settledBeforeMs) hashes.push(hash);
      }
      return hashes;
    },
    confirm: (looked, found) => {
      const hopsOf = new Map(found.map(({ hash, hops }) => [hash, hops]));
      for (const hash of looked) {
        const event = underWay.get(hash);
        if (event === undefined) continue;
        const hops = event.hops | (hopsOf.get(hash) ?? 0);
        if ((hops & completeHops) === completeHops) {
          // Complete by rows that had been read before: it was counted then, and forgotten since.
          underWay.delete(hash);
          remember(hash);
        } else {
          event.hops = hops;
          event.confirmed = true;
        }
      }
    },
    counts: (settledBeforeMs) => {
      const counts = {
        accepted: complete,
        raw: complete,
        enriched: complete,
        decided: complete,
        stored: complete,
        lost: 0,
        duplicated,
      };
      for (const { hops, sinceMs, confirmed } of underWay.values()) {
        if (!confirmed || sinceMs > settledBeforeMs) continue;
        counts.accepted += 1;
        if (hops & HOP.raw) counts.raw += 1;
        if (hops & HOP.enriched) counts.enriched += 1;
        if (hops & (kind === 'payments' ? HOP.decided : HOP.enriched)) counts.decided += 1;
        if ((hops & storedHops) === storedHops) counts.stored += 1;
        else if (!(hops & HOP.deadLettered)) counts.lost += 1;
      }
      return counts;
    },
    get underWay() {
      return underWay.size;
    },
  };
}

/** Rows of a sighting beyond the ones that an event must have, given the hops at which it was seen before. */
function repeats(hops: number, { enrichedRows, enrichedRowsOnce, decidedRows }: HopSighting): number {
  const enriched = hops & HOP.enriched ? enrichedRows : enrichedRows - enrichedRowsOnce;
  const decided = hops & HOP.decided ? decidedRows : Math.max(0, decidedRows - 1);
  return enriched + decided;
}
