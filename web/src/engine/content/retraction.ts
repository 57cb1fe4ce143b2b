// Deleting for everyone (docs/protocol/envelope.md): the operator says how long authors may do it; admins may for
// ever, by the room. What is sealed the server cannot look into, so that whoever reads it looks at the times.

import type { Order } from "../protocol";

/** @param at when the message was taken by the server, and `now`, when it is taken back, in milliseconds since 1970
 *  @param withinS for ever where it is missing */
export function isPastRetraction({ at, order }: { at: number; order: Order }, withinS: number | undefined, now: number): boolean {
  return withinS !== undefined && order !== "" && !order.startsWith("~") && now - at > withinS * 1000;
}
