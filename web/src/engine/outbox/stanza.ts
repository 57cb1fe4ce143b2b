// A sealed message as it leaves (docs/protocol/mls.md, "Messages").

import { xml, type Element } from "@xmpp/client";
import { NS, textOf } from "../conversations/log-entry";
import type { Post } from "../parts";

/** @param room the room's bare JID */
export function stanzaOf(room: string, sealed: Uint8Array, post: Pick<Post, "id" | "lifeS" | "retracts" | "isQuiet"> & { lasts?: Post["lasts"] }): Element {
  const { id, lifeS, retracts, isQuiet = false } = post;
  return xml(
    "message",
    { type: "groupchat", to: room, id },
    xml("message", { xmlns: NS.mls }, textOf(sealed)),
    isQuiet && xml("quiet", { xmlns: NS.mls }),
    xml("origin-id", { xmlns: NS.stanzaId, id }),
    xml(post.lasts === "passing" ? "no-store" : "store", { xmlns: NS.hints }),
    lifeS !== undefined && xml("ephemeral", { xmlns: NS.ephemeral, timer: lifeS }),
    retracts !== undefined && xml("retract", { xmlns: NS.retract, id: retracts }),
  );
}
