// How far each member is: what came to a device of theirs, and what they have seen.

import type { AccountId, Order, Receipt } from "../protocol";

/** Of each member, the newest places that it told of, and when it did. */
export type Receipts = Record<AccountId, { delivered: Mark[]; read: Mark[] }>;
type Mark = [upTo: Order, atMs: number];

/** What a member says of itself is added. Whatever the order, the end is the same. */
export function addReceipt(
  receipts: Receipts,
  account: AccountId,
  { delivered, read }: { delivered?: Order; read?: Order },
  atMs: number,
): Receipts {
  const known = receipts[account] ?? { delivered: [], read: [] };
  const changed = {
    delivered: delivered === undefined ? known.delivered : addMark(known.delivered, [delivered, atMs]),
    read: read === undefined ? known.read : addMark(known.read, [read, atMs]),
  };
  return { ...receipts, [account]: changed };
}

/** What two of the own devices were told. */
export function mergeReceipts(one: Receipts, other: Receipts): Receipts {
  const merged = { ...one };
  for (const [account, { delivered, read }] of Object.entries(other)) {
    const known = merged[account] ?? { delivered: [], read: [] };
    merged[account] = { delivered: delivered.reduce(addMark, known.delivered), read: read.reduce(addMark, known.read) };
  }
  return merged;
}

/** What has come to all of these, and what all have seen; empty where there is nobody. */
export function ticksOf(receipts: Receipts, accounts: AccountId[]): { delivered: Order; read: Order } {
  const newest = accounts.map((account) => {
    const { delivered, read } = receipts[account] ?? { delivered: [], read: [] };
    const seen = read[0]?.[0] ?? "";
    const came = delivered[0]?.[0] ?? "";
    return { read: seen, delivered: came > seen ? came : seen };
  });
  return { delivered: least(newest.map((one) => one.delivered)), read: least(newest.map((one) => one.read)) };
}

/** Who has got a message, and since when. */
export function receiptsOf(receipts: Receipts, accounts: AccountId[], order: Order, showsReads: boolean): Receipt[] {
  return accounts.map((account) => {
    const known = receipts[account] ?? { delivered: [], read: [] };
    const receipt: Receipt = { account };
    const readAt = momentOf(known.read, order);
    const deliveredAt = momentOf(known.delivered, order) ?? readAt;
    if (deliveredAt !== undefined) receipt.deliveredAt = deliveredAt;
    if (readAt !== undefined && showsReads) receipt.readAt = readAt;
    return receipt;
  });
}

// The newest first. Of those that are kept, the first one that reaches a message tells when.
function addMark(marks: Mark[], mark: Mark): Mark[] {
  const same = marks.find(([upTo]) => upTo === mark[0]);
  const rest = marks.filter(([upTo]) => upTo !== mark[0]);
  const added: Mark = same ? [mark[0], Math.min(same[1], mark[1])] : mark;
  return [...rest, added].sort(([one], [other]) => (one < other ? 1 : -1)).slice(0, MARKS_MAX);
}

function momentOf(marks: Mark[], order: Order): number | undefined {
  return marks.findLast(([upTo]) => upTo >= order)?.[1];
}

function least(orders: Order[]): Order {
  return orders.reduce((least, order) => (order < least ? order : least), orders[0] ?? "");
}

/** Of one member and kind. */
const MARKS_MAX = 4;
