export interface Claims {
  readonly memberId: string;
  /** Units that it works on. */
  readonly owned: readonly string[];
  /** Units whose state it keeps up to date, as a standby. */
  readonly warm?: readonly string[];
}

/**
 * Shares units out among members: as even as can be (sizes differ by one at most), and so that as few as possible
 * change hands; what does goes to a member that is warm for it, if one has room. A unit that two members claim (one of
 * them a zombie) stays with neither by right: the first in order of member id keeps it. The same input gives the same
 * answer, whoever is the leader.
 */
export function shareOut(unitIds: readonly string[], members: readonly Claims[]): Map<string, string[]> {
  const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
  const shares = new Map(sorted.map(({ memberId }) => [memberId, [] as string[]]));
  if (sorted.length === 0) return shares;
  const floor = Math.floor(unitIds.length / sorted.length);
  let larger = unitIds.length % sorted.length; // so many members may have one more
  const free = new Set([...unitIds].sort());
  const take = (memberId: string, id: string): void => {
    const share = shares.get(memberId) ?? [];
    if (!free.has(id) || share.length > floor || (share.length === floor && larger === 0)) return;
    if (share.length === floor) larger -= 1;
    free.delete(id);
    share.push(id);
  };

  // Who owns most keeps the larger shares: that moves the fewest.
  for (const { memberId, owned } of [...sorted].sort((a, b) => b.owned.length - a.owned.length)) {
    for (const id of [...owned].sort()) take(memberId, id);
  }
  for (const id of [...free]) {
    const warm = sorted.filter(({ warm }) => warm?.includes(id)).map(({ memberId }) => memberId);
    for (const memberId of warm.sort((a, b) => sizeOf(shares, a) - sizeOf(shares, b))) take(memberId, id);
  }
  for (const id of free) shares.get(poorestOf([...shares.keys()], shares))?.push(id);
  return shares;
}

/**
 * Gives every unit so many standbys, or all other members if there are fewer: none with the member that owns the unit,
 * no two with one member, as even as that allows, and where they are already if that is even enough.
 */
export function shareOutStandbys(
  unitIds: readonly string[],
  standbys: number,
  shares: ReadonlyMap<string, readonly string[]>,
  members: readonly Claims[],
): Map<string, string[]> {
  const memberIds = [...shares.keys()].sort();
  const given = new Map(memberIds.map((memberId) => [memberId, [] as string[]]));
  const copies = Math.min(standbys, memberIds.length - 1);
  if (copies <= 0) return given;
  const may = (memberId: string, id: string) =>
    shares.get(memberId)?.includes(id) !== true && given.get(memberId)?.includes(id) !== true;
  const missing = new Map([...unitIds].sort().map((id) => [id, copies]));
  const give = (memberId: string, id: string): void => {
    given.get(memberId)?.push(id);
    missing.set(id, (missing.get(id) ?? 0) - 1);
  };

  const limit = Math.ceil((unitIds.length * copies) / memberIds.length);
  for (const memberId of memberIds) {
    const warm = members.find((member) => member.memberId === memberId)?.warm ?? [];
    for (const id of [...warm].sort()) {
      if ((missing.get(id) ?? 0) > 0 && sizeOf(given, memberId) < limit && may(memberId, id)) give(memberId, id);
    }
  }
  for (const [id] of missing) {
    while ((missing.get(id) ?? 0) > 0)
      give(
        poorestOf(
          memberIds.filter((memberId) => may(memberId, id)),
          given,
        ),
        id,
      );
  }
  level(given, may);
  return given;
}

/** Moves units from who has most to who has fewest, for as long as that makes them more even. */
function level(given: Map<string, string[]>, may: (memberId: string, id: string) => boolean): void {
  for (;;) {
    const move = findMove(given, may);
    if (move === undefined) return;
    const from = given.get(move.from) ?? [];
    from.splice(from.indexOf(move.id), 1);
    given.get(move.to)?.push(move.id);
  }
}

function findMove(
  given: ReadonlyMap<string, readonly string[]>,
  may: (memberId: string, id: string) => boolean,
): { readonly from: string; readonly to: string; readonly id: string } | undefined {
  for (const [from, ids] of given) {
    for (const [to, others] of given) {
      const id = ids.length - others.length < 2 ? undefined : ids.find((candidate) => may(to, candidate));
      if (id !== undefined) return { from, to, id };
    }
  }
  return undefined;
}

const sizeOf = (shares: ReadonlyMap<string, readonly string[]>, memberId: string): number =>
  shares.get(memberId)?.length ?? 0;

/** The first of those with the fewest. */
function poorestOf(memberIds: readonly string[], shares: ReadonlyMap<string, readonly string[]>): string {
  return memberIds.reduce((least, memberId) => (sizeOf(shares, memberId) < sizeOf(shares, least) ? memberId : least));
}
