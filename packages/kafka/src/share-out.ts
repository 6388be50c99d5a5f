/**
 * Shares units out among members: as even as can be (sizes differ by one at most), and so that as few as possible
 * change hands. A unit that two members claim (one of them a zombie) stays with neither by right: the first in order
 * of member id keeps it. The same input gives the same answer, whoever is the leader.
 */
export function shareOut(
  unitIds: readonly string[],
  members: readonly { readonly memberId: string; readonly owned: readonly string[] }[],
): Map<string, string[]> {
  const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
  const shares = new Map(sorted.map(({ memberId }) => [memberId, [] as string[]]));
  if (sorted.length === 0) return shares;
  const floor = Math.floor(unitIds.length / sorted.length);
  let larger = unitIds.length % sorted.length; // so many members may have one more
  const free = new Set([...unitIds].sort());

  // Who owns most keeps the larger shares: that moves the fewest.
  for (const { memberId, owned } of [...sorted].sort((a, b) => b.owned.length - a.owned.length)) {
    const share = shares.get(memberId) ?? [];
    for (const id of [...owned].sort()) {
      const limit = larger > 0 ? floor + 1 : floor;
      if (share.length >= limit || !free.has(id)) continue;
      free.delete(id);
      share.push(id);
    }
    if (share.length > floor) larger -= 1;
  }
  for (const id of free) {
    const poorest = [...shares].reduce((least, entry) => (entry[1].length < least[1].length ? entry : least));
    poorest[1].push(id);
  }
  return shares;
}
