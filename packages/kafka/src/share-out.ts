export interface Claims {
  readonly memberId: string;
  /** Units that it works on. */
  readonly owned: readonly string[];
  /** Units whose state it keeps up to date, as a standby. */
  readonly warm?: readonly string[];
}

/**
 * Shares units out among members: as even as can be (sizes differ by one at most, of each kind and of all), and so that
 * few change hands; what does goes to a member that is warm for it, if one has room. Units of a kind are likely to be as
 * much work as each other, so nobody gets all of the heavy ones. A unit that two members claim (one of them a zombie)
 * stays with neither by right: the first in order of member id keeps it. The same input gives the same answer, whoever
 * is the leader.
 */
export function shareOut(
  unitIds: readonly string[],
  members: readonly Claims[],
  kindOf: (unitId: string) => string = () => '',
): Map<string, string[]> {
  const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
  const byKind = Map.groupBy([...unitIds].sort(), kindOf);
  const owners = new Map(
    sorted.toReversed().flatMap(({ memberId, owned }) => owned.map((id) => [id, memberId] as const)),
  );
  const ownedOf = (memberId: string, kind: string) =>
    (byKind.get(kind) ?? []).filter((id) => owners.get(id) === memberId);

  // 1. How many of each kind a member may have, and who gets which of these rooms: the one that can keep the most in it.
  const rooms = assignRooms(roomsFor(byKind, sorted.length), sorted, (memberId, room) =>
    [...room].reduce((kept, [kind, size]) => kept + Math.min(size, ownedOf(memberId, kind).length), 0),
  );
  // 2. What stays, and then what is free: to who is warm for it, or else to whoever has room.
  const shares = new Map(sorted.map(({ memberId }) => [memberId, [] as string[]]));
  for (const [kind, ids] of byKind) {
    const left = new Map([...rooms].map(([memberId, room]) => [memberId, room.get(kind) ?? 0]));
    const give = (memberId: string, id: string): boolean => {
      const size = left.get(memberId) ?? 0;
      if (size === 0) return false;
      left.set(memberId, size - 1);
      shares.get(memberId)?.push(id);
      return true;
    };
    const free = ids.filter((id) => !give(owners.get(id) ?? '', id));
    const cold = free.filter((id) => !sorted.some(({ memberId, warm }) => warm?.includes(id) && give(memberId, id)));
    for (const id of cold) sorted.some(({ memberId }) => give(memberId, id));
  }
  return shares;
}

/** Deals the units of all kinds out one after the other, as cards are: the number of each kind, by place at the table. */
function roomsFor(byKind: ReadonlyMap<string, readonly string[]>, places: number): Map<string, number>[] {
  const rooms = Array.from({ length: places }, () => new Map<string, number>());
  let place = 0;
  for (const [kind, ids] of byKind) {
    for (let i = 0; i < ids.length && places > 0; i++) {
      const room = rooms[place % places];
      room?.set(kind, (room.get(kind) ?? 0) + 1);
      place += 1;
    }
  }
  return rooms;
}

function assignRooms<R>(
  rooms: readonly R[],
  members: readonly Claims[],
  keptIn: (memberId: string, room: R) => number,
): Map<string, R> {
  const choices = members.flatMap(({ memberId }) =>
    rooms.map((room) => ({ memberId, room, kept: keptIn(memberId, room) })),
  );
  const given = new Map<string, R>();
  const taken = new Set<R>();
  for (const { memberId, room } of choices.sort((a, b) => b.kept - a.kept)) {
    if (given.has(memberId) || taken.has(room)) continue;
    given.set(memberId, room);
    taken.add(room);
  }
  return given;
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
