// XEP-0085 Chat State Notifications, XEP-0184 Message Delivery Receipts, XEP-0333 Displayed Markers: how
// far others are.

import { xml, type Element } from "@xmpp/client";
import type { TypingState } from "../content/envelope";
import type { OpenBody, Place, Target } from "./message";
import { NS } from "./ns";

export function readMarker(stanza: Element): OpenBody | undefined {
  const read = stanza.getChild("displayed", NS.markers)?.attrs["id"];
  const delivered = stanza.getChild("received", NS.receipts)?.attrs["id"];
  if (read === undefined && delivered === undefined) return undefined;
  return { kind: "receipt", ...(read !== undefined && { read }), ...(delivered !== undefined && { delivered }) };
}

/** @param target the newest message that was seen, or that has come. */
export function writeMarker({ name, order }: Target, isRead: boolean, { isRoom }: Place): Element[] {
  const id = isRoom ? order : name;
  const marker = isRead ? xml("displayed", { xmlns: NS.markers, id }) : xml("received", { xmlns: NS.receipts, id });
  return [marker, xml("store", { xmlns: NS.hints })];
}

/** Asks to be told. In a room nobody says that something has come. */
export function writeRequests({ isRoom }: Place): Element[] {
  const markable = xml("markable", { xmlns: NS.markers });
  return isRoom ? [markable] : [xml("request", { xmlns: NS.receipts }), markable];
}

export function readChatState(stanza: Element): OpenBody | undefined {
  if (stanza.getChild("composing", NS.chatStates)) return { kind: "typing", state: "typing" };
  const isPaused = ["paused", "active", "inactive", "gone"].some((state) => stanza.getChild(state, NS.chatStates));
  return isPaused ? { kind: "typing", state: "paused" } : undefined;
}

export function writeChatState(state: TypingState): Element[] {
  const name = state === "paused" ? "paused" : "composing";
  return [xml(name, { xmlns: NS.chatStates }), xml("no-store", { xmlns: NS.hints })];
}
