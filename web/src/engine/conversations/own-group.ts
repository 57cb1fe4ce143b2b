// The group of the own account's devices: one's notes, and what the devices agree on. It is an encrypted
// room with one member, which the account's private storage (XEP-0049) names.

import { xml, type Element } from "@xmpp/client";
import type { Self, Xmpp } from "../parts";
import type { ChatId } from "../protocol";
import { Refusal } from "../refusal";
import { NS } from "./log-entry";

/** Finds its room, or makes it. */
export async function findOwnGroup(xmpp: Xmpp, self: Self): Promise<ChatId> {
  const found = await read(xmpp, self);
  if (found !== undefined) return found;
  const made = await make(xmpp, self);
  await xmpp.iq("set", undefined, xml("query", { xmlns: PRIVATE }, xml("own-group", { xmlns: OWN, jid: `${made}@${self.groups}` })));
  // Another device may have been as quick: the last one counts for both.
  return (await read(xmpp, self)) ?? made;
}

async function read(xmpp: Xmpp, self: Self): Promise<ChatId | undefined> {
  const query = await xmpp.iq("get", undefined, xml("query", { xmlns: PRIVATE }, xml("own-group", { xmlns: OWN })));
  return chatOf(query?.getChild("own-group", OWN), self);
}

async function make(xmpp: Xmpp, self: Self): Promise<ChatId> {
  const permissions = xml("permissions", { post: "everyone", add: "admins", edit: "admins" });
  const created = await xmpp.iq("set", self.groups, xml("create", { xmlns: NS.groups, kind: "encrypted" }, xml("name", {}, "Own devices"), permissions));
  const chat = chatOf(created, self);
  if (chat === undefined) throw new Refusal("internal", "the server made a group without an address");
  return chat;
}

function chatOf(element: Element | undefined, self: Self): ChatId | undefined {
  const [chat, domain] = (element?.attrs["jid"] ?? "").split("@");
  return chat && domain === self.groups ? chat : undefined;
}

const PRIVATE = "jabber:iq:private";
const OWN = "urn:whimbrel:own-group:0";
