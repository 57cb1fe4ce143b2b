// XEP-0308 Last Message Correction, XEP-0424 Message Retraction, XEP-0444 Message Reactions: what is said
// about a message.

import { xml, type Element } from "@xmpp/client";
import { EMOJI_BYTES_MAX } from "../content/limits";
import { utf8Length } from "../content/fields";
import type { OpenBody, Place, Target } from "./message";
import { NS } from "./ns";
import { bodyOf } from "./text";

export function readCorrection(stanza: Element): OpenBody | undefined {
  const of = stanza.getChild("replace", NS.correct)?.attrs["id"];
  const text = bodyOf(stanza);
  return of === undefined || text === undefined ? undefined : { kind: "edit", of, text, mentions: [] };
}

/** The author's attribute names it: rooms do not change it. */
export function writeCorrection({ name }: Target): Element {
  return xml("replace", { xmlns: NS.correct, id: name });
}

export function readRetraction(stanza: Element): OpenBody | undefined {
  const of = stanza.getChild("retract", NS.retract)?.attrs["id"];
  return of === undefined ? undefined : { kind: "retraction", of };
}

export function writeRetraction({ name, order }: Target, { isRoom }: Place): Element[] {
  return [
    xml("retract", { xmlns: NS.retract, id: isRoom ? order : name }),
    xml("fallback", { xmlns: NS.fallback, for: NS.retract }),
    xml("body", {}, "This message was taken back, which your client does not show."),
    xml("store", { xmlns: NS.hints }),
  ];
}

/** Others give several to one message; the first one counts. */
export function readReaction(stanza: Element): OpenBody | undefined {
  const reactions = stanza.getChild("reactions", NS.reactions);
  const of = reactions?.attrs["id"];
  if (!reactions || of === undefined) return undefined;
  const emoji = reactions.getChildren("reaction").map((reaction) => reaction.text().trim()).find(isEmoji);
  return { kind: "reaction", of, emoji: emoji ?? null };
}

export function writeReaction({ name, order }: Target, emoji: string | null, { isRoom }: Place): Element[] {
  const given = emoji === null ? [] : [xml("reaction", {}, emoji)];
  return [xml("reactions", { xmlns: NS.reactions, id: isRoom ? order : name }, given), xml("store", { xmlns: NS.hints })];
}

function isEmoji(text: string): boolean {
  return text !== "" && utf8Length(text) <= EMOJI_BYTES_MAX && [...new Intl.Segmenter().segment(text)].length === 1;
}
