/** What became of an event, as far as its sender knows. What is neither acknowledged nor refused may be kept or not. */
export class Ledger {
  readonly sent = new Set<string>();
  readonly acknowledged = new Set<string>();
  readonly refused = new Set<string>();

  send(ids: readonly string[]): void {
    for (const id of ids) this.sent.add(id);
  }

  acknowledge(ids: readonly string[]): void {
    for (const id of ids) this.acknowledged.add(id);
  }

  refuse(ids: readonly string[]): void {
    for (const id of ids) this.refused.add(id);
  }
}

/** Ids carry the sender and a number that only grows, so that the order of one sender's events can be seen. */
export function idOf(sender: string, number: number): string {
  return `${sender}-${number}`;
}

export function readId(id: string): { readonly sender: string; readonly number: number } {
  const at = id.lastIndexOf('-');
  return { sender: id.slice(0, at), number: Number(id.slice(at + 1)) };
}
