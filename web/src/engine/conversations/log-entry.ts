// What stands in a room's log, read from its stanzas (docs/protocol/groups.md, docs/protocol/mls.md).
// What is not understood is `nothing`: it has its place in the log all the same.

import type { Element } from "@xmpp/client";
import type { AccountId, Affiliation, CallEnding, ChatId, Order, Permissions } from "../protocol";
import type { OpenMessage } from "../open/message";
import { readOpen } from "../open/stanza";
import type { RoomChange, Self } from "../parts";

/** A stanza of a room. */
export interface LogEntry {
  chat: ChatId;
  /** Empty: it passes, and is in no log. */
  order: Order;
  at: number;
  /** Who sent it, by the server. Missing where it is the room itself. */
  sender?: AccountId;
  id?: string;
  /** What happened to the room at that place, beside what the entry is for the group. */
  changed?: { by?: AccountId; changes: RoomChange[] };
  /** Of an open conversation of two: the other side. */
  peer?: AccountId;
  what: Logged;
}

export type Logged =
  | { kind: "founded"; by: string }
  | { kind: "commit"; by: string; epoch: number; handshake: Uint8Array; welcome?: Uint8Array }
  | { kind: "sealed"; message: Uint8Array; retracts?: Order; lifeS?: number }
  | { kind: "open"; said: OpenMessage }
  | { kind: "renumbered"; number: string }
  | { kind: "automatic"; text: string }
  | { kind: "call"; call: LoggedCall }
  | { kind: "forgotten"; target: Order; by: "author" | "admin" | "operator" }
  | { kind: "nothing" };

/** That a call began, or how it ended (docs/protocol/calls.md). */
export interface LoggedCall {
  /** The place of the entry by which it began. */
  began: Order;
  by: AccountId;
  isVideo: boolean;
  /** It is to ring. */
  rings: boolean;
  ended?: { ending: CallEnding; lengthS: number };
}

/** @param now for what passes, in milliseconds since 1970
 *  @returns nothing for what is no message of a room, or is an error. */
export function readLogEntry(stanza: Element, self: Self, now: number): LogEntry | undefined {
  const room = roomOf(stanza, self);
  if (!room) return undefined;
  const order = orderOf(stanza, room.jid);
  const entry: LogEntry = { chat: room.chat, order, at: order === "" ? now : momentOf(order), what: { kind: "nothing" } };
  const sender = room.isItself ? undefined : senderOf(stanza, self);
  if (sender !== undefined) entry.sender = sender;
  const id = stanza.getChild("origin-id", NS.stanzaId)?.attrs["id"] ?? stanza.attrs["id"];
  if (id !== undefined && id.length <= ID_CHARACTERS_MAX) entry.id = id;
  entry.what = room.isItself ? ofRoom(stanza, self) : ofMember(stanza, order, self);
  const change = room.isItself ? stanza.getChild("change", NS.groups) : undefined;
  if (change) entry.changed = readChanges(change, self);
  return entry;
}

/** The chat whose room, or whose other side, refuses what was sent to it. */
export function readRefused(stanza: Element, self: Self): { chat: ChatId; id: string; byPeer: boolean } | undefined {
  const { from, id, type } = stanza.attrs;
  const jid = (from ?? "").split("/")[0];
  // Of two, an open conversation has the other account's id.
  const peer = localOf(jid, self.domain);
  const chat = peer ?? localOf(jid, self.groups);
  if (stanza.name !== "message" || type !== "error" || chat === undefined || !id) return undefined;
  return { chat, id, byPeer: peer !== undefined };
}

/** When the server took it: its ids have the milliseconds in their upper 44 bits. */
export function momentOf(order: Order): number {
  return Number.parseInt(order.slice(0, 11), 16);
}

function roomOf(stanza: Element, self: Self): { chat: ChatId; jid: string; isItself: boolean } | undefined {
  if (stanza.name !== "message" || stanza.attrs["type"] !== "groupchat") return undefined;
  const from = stanza.attrs["from"] ?? "";
  const slash = from.indexOf("/");
  const jid = slash < 0 ? from : from.slice(0, slash);
  const chat = localOf(jid, self.groups);
  return chat === undefined ? undefined : { chat, jid, isItself: slash < 0 };
}

/** The local part of an address of this domain, if it is an id. */
export function localOf(jid: string | undefined, domain: string): string | undefined {
  const [local, rest] = (jid ?? "").split("@");
  return rest === domain && local !== undefined && /^[0-9a-z]{12}$/.test(local) ? local : undefined;
}

/** The place that an archive's owner gave it, if it stands in one. */
export function orderOf(stanza: Element, room: string): Order {
  const ids = stanza.getChildren("stanza-id", NS.stanzaId);
  const id = ids.find((child) => child.attrs["by"] === room)?.attrs["id"];
  return id !== undefined && isOrder(id) ? id : "";
}

export function isOrder(id: string): boolean {
  return /^[0-9a-f]{16}$/.test(id);
}

function senderOf(stanza: Element, self: Self): AccountId | undefined {
  return localOf(stanza.getChild("x", NS.mucUser)?.getChild("item")?.attrs["jid"], self.domain);
}

// Only the room itself says what happened to it.
function ofRoom(stanza: Element, self: Self): Logged {
  const call = stanza.getChild("call", NS.call);
  if (call) return ofCall(call, self);
  const founded = stanza.getChild("founded", NS.mls);
  if (founded) return { kind: "founded", by: founded.attrs["by"] ?? "" };
  const commit = stanza.getChild("commit", NS.mls);
  if (commit) return ofCommit(commit);
  const target = stanza.getChild("retract", NS.retract)?.attrs["id"];
  if (target !== undefined && isOrder(target)) return { kind: "forgotten", target, by: "admin" };
  return { kind: "nothing" };
}

function ofCall(call: Element, self: Self): Logged {
  const { id, by, video } = call.attrs;
  const [account, began, over] = [localOf(by, self.domain), call.getChild("began"), call.getChild("ended")];
  if (account === undefined || id === undefined || !isOrder(id) || (!began && !over)) return { kind: "nothing" };
  const isVideo = (over?.attrs["video"] ?? video) === "true";
  const logged: LoggedCall = { began: id, by: account, isVideo, rings: began?.attrs["ring"] !== undefined };
  if (!over) return { kind: "call", call: logged };
  const reason = over.getChildren("reason").flatMap((child) => child.getChildElements()).map((child) => child.getName());
  const ending = ENDINGS.find((known) => reason.includes(known)) ?? "success";
  const lengthS = Math.max(0, Number(over.attrs["length"]) || 0);
  return { kind: "call", call: { ...logged, ended: { ending, lengthS } } };
}

function ofMember(stanza: Element, order: Order, self: Self): Logged {
  const retracted = stanza.getChild("retracted", NS.retract);
  if (retracted) {
    const by = retracted.getChild("moderated") ? "admin" : "author";
    return { kind: "forgotten", target: order, by };
  }
  const message = bytesOf(stanza.getChild("message", NS.mls));
  if (message) return ofSealed(stanza, message);
  if (stanza.getChild("automatic", NS.mls)) {
    const text = stanza.getChildText("body") ?? "";
    return { kind: "automatic", text: text.slice(0, AUTOMATIC_CHARACTERS_MAX) };
  }
  const said = readOpen(stanza, self.domain, nickOf(stanza));
  return said ? { kind: "open", said } : { kind: "nothing" };
}

/** The name by which the room shows the sender. */
function nickOf({ attrs }: Element): string {
  const from = attrs["from"] ?? "";
  return from.slice(from.indexOf("/") + 1);
}

function ofSealed(stanza: Element, message: Uint8Array): Logged {
  const sealed: Logged = { kind: "sealed", message };
  const target = stanza.getChild("retract", NS.retract)?.attrs["id"];
  if (target !== undefined && isOrder(target)) sealed.retracts = target;
  const lifeS = Number(stanza.getChild("ephemeral", NS.ephemeral)?.attrs["timer"]);
  if (Number.isSafeInteger(lifeS) && lifeS > 0) sealed.lifeS = lifeS;
  return sealed;
}

function ofCommit(commit: Element): Logged {
  const handshake = bytesOf(commit.getChild("handshake"));
  const epoch = Number(commit.attrs["epoch"]);
  if (!handshake || !Number.isSafeInteger(epoch)) return { kind: "nothing" };
  const welcome = bytesOf(commit.getChild("welcome"));
  return { kind: "commit", by: commit.attrs["by"] ?? "", epoch, handshake, ...(welcome && { welcome }) };
}

function readChanges(change: Element, self: Self): NonNullable<LogEntry["changed"]> {
  const by = localOf(change.attrs["by"], self.domain);
  const changes = change.getChildElements().slice(0, CHANGES_MAX).flatMap((child) => readChange(child, self) ?? []);
  return { ...(by !== undefined && { by }), changes };
}

function readChange(child: Element, self: Self): RoomChange | undefined {
  const type = child.getName();
  const account = localOf(child.attrs["jid"], self.domain);
  const affiliation = affiliationOf(child.attrs["affiliation"]);
  switch (type) {
    case "created":
    case "destroyed":
    case "icon":
      return { type };
    case "left":
    case "joined":
    case "removed":
      return account === undefined ? undefined : { type, account };
    case "added":
    case "affiliated":
      return account === undefined || !affiliation ? undefined : { type, account, affiliation };
    case "name":
      return { type: "named", name: child.text().slice(0, TEXT_CHARACTERS_MAX) };
    case "description":
      return { type: "described", description: child.text().slice(0, TEXT_CHARACTERS_MAX) };
    case "permissions":
      return { type: "permissions", permissions: readPermissions(child) };
    default:
      return undefined;
  }
}

/** Those that are named; others stay. */
export function readPermissions({ attrs }: Element): Partial<Permissions> {
  const permissions: Partial<Permissions> = {};
  for (const name of ["post", "add", "edit"] as const) {
    const who = attrs[name];
    if (who === "everyone" || who === "admins") permissions[name] = who;
  }
  if (attrs["requests"] !== undefined) permissions.requests = attrs["requests"] === "true";
  return permissions;
}

export function affiliationOf(text: string | undefined): Affiliation | undefined {
  return text === "owner" || text === "admin" || text === "member" ? text : undefined;
}

/** Base64 as it stands in elements; nothing where it is none. */
export function bytesOf(element: Element | undefined): Uint8Array | undefined {
  if (!element) return undefined;
  try {
    return Uint8Array.from(atob(element.text().trim()), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** Bytes as base64. */
export function textOf(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(text);
}

export const NS = {
  groups: "urn:whimbrel:groups:0",
  mls: "urn:whimbrel:mls:0",
  call: "urn:whimbrel:call:0",
  stanzaId: "urn:xmpp:sid:0",
  mucUser: "http://jabber.org/protocol/muc#user",
  retract: "urn:xmpp:message-retract:1",
  ephemeral: "urn:xmpp:ephemeral:0",
  hints: "urn:xmpp:hints",
} as const;
const ENDINGS: readonly CallEnding[] = ["success", "timeout", "cancel", "decline", "busy"];
const ID_CHARACTERS_MAX = 128;
const AUTOMATIC_CHARACTERS_MAX = 16_384;
const TEXT_CHARACTERS_MAX = 4_096;
const CHANGES_MAX = 1_024;
// Arguments of one call.
const CHUNK = 8_192;
