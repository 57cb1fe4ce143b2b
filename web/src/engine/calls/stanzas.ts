// urn:whimbrel:call:0 (docs/protocol/calls.md): what a room is asked about its call, and what it says of it.

import { xml, type Element } from "@xmpp/client";
import { localOf } from "../conversations/log-entry";
import type { AccountId, CallOffer, CallParticipant, CallPublished, CallQuality, CallShown, CallSource, CallView } from "../protocol";

export const CALL = "urn:whimbrel:call:0";

/** A call as the room describes it. */
export interface Described {
  id: string;
  by: AccountId;
  startedAt: number;
  isVideo: boolean;
  rings: boolean;
  participants: Participant[];
}

export type Participant = Omit<CallParticipant, "isThis">;

/** What a device is told while a call lasts. */
export type Told =
  | { type: "changed"; participants: Participant[]; gone: string[] }
  | { type: "slots"; slots: (CallShown | null)[] }
  | { type: "speakers"; speakers: string[] }
  | { type: "quality"; quality: CallQuality }
  | { type: "demand"; source: CallSource; encodings: number }
  | { type: "mute"; by: AccountId }
  | { type: "out"; reason: string }
  | { type: "rejoin" }
  /** Somebody comes, or does not: it rings there no more. */
  | { type: "answered"; account: AccountId };

export function joinElement(call: string | undefined, { publish, subscribe, published }: CallOffer): Element {
  const text = (name: string, sdp: string | undefined) => sdp !== undefined && xml(name, {}, sdp);
  return element("join", { call, ...published }, text("publish", publish), text("subscribe", subscribe));
}

export function stateElement(call: string, published: Partial<CallPublished>, hand?: boolean): Element {
  return element("state", { call, ...published, hand });
}

export function viewElement(call: string, { pinned, others, othersEncodingMax }: CallView): Element {
  const wished = pinned.map(({ participant, source, encodingMax }) => xml("pinned", { participant, source, "encoding-max": encodingMax }));
  return element("view", { call }, ...wished, others && xml("others", { "encoding-max": othersEncodingMax }));
}

/** @param name `leave`, `decline`, `mute`, `remove`, or `call`: what lasts? */
export function element(name: string, attributes: Record<string, string | number | boolean | undefined> = {}, ...children: (Element | false)[]): Element {
  return xml(name, { xmlns: CALL, ...attributes }, ...children);
}

/** In XML lines end with a line feed alone, in SDP with a carriage return before it. */
export function readDescription(joined: Element | undefined, name: "publish" | "subscribe"): string | undefined {
  const text = joined?.getChildText(name);
  return text ? text.replace(/\r?\n/g, "\r\n") : undefined;
}

/** @returns nothing where no call lasts */
export function readDescribed(call: Element | undefined, domain: string): Described | undefined {
  const { id, by, began, video, ringing } = call?.attrs ?? {};
  const account = localOf(by, domain);
  if (!call || id === undefined || account === undefined) return undefined;
  const participants = call.getChildren("participant").slice(0, PARTICIPANTS_MAX).flatMap((child) => readParticipant(child, domain) ?? []);
  return { id, by: account, startedAt: Date.parse(began ?? "") || 0, isVideo: video === "true", rings: ringing === "true", participants };
}

export function readTold(call: Element, domain: string): Told | undefined {
  const child = (name: string) => call.getChild(name);
  const slots = child("slots");
  if (slots) return { type: "slots", slots: slots.getChildren("slot").slice(0, SLOTS_MAX).map(readShown) };
  const speakers = child("speakers");
  if (speakers) return { type: "speakers", speakers: speakers.getChildren("speaker").flatMap(({ attrs }) => attrs["participant"] ?? []).slice(0, SLOTS_MAX) };
  const quality = readQuality(child("quality"));
  if (quality) return { type: "quality", quality };
  const demand = child("demand")?.attrs;
  if (demand && isSource(demand["source"])) return { type: "demand", source: demand["source"], encodings: Number(demand["encodings"]) || 0 };
  const mutedBy = localOf(child("mute")?.attrs["by"], domain);
  if (mutedBy !== undefined) return { type: "mute", by: mutedBy };
  const out = child("out");
  if (out) return { type: "out", reason: out.attrs["reason"] ?? "" };
  if (child("rejoin")) return { type: "rejoin" };
  const answered = localOf((child("accept") ?? child("reject"))?.attrs["jid"], domain);
  if (answered !== undefined) return { type: "answered", account: answered };
  const participants = call.getChildren("participant").slice(0, PARTICIPANTS_MAX).flatMap((one) => readParticipant(one, domain) ?? []);
  const gone = call.getChildren("gone").flatMap(({ attrs }) => attrs["id"] ?? []);
  return participants.length + gone.length > 0 ? { type: "changed", participants, gone } : undefined;
}

function readParticipant({ attrs }: Element, domain: string): Participant | undefined {
  const { id, jid, hand } = attrs;
  const account = localOf(jid, domain);
  if (id === undefined || account === undefined) return undefined;
  const how = (source: CallSource) => (attrs[source] === "on" || attrs[source] === "muted" ? attrs[source] : "off");
  const published: CallPublished = { microphone: how("microphone"), camera: how("camera"), screen: how("screen") };
  return { id, account, published, ...(hand !== undefined && { handAt: Date.parse(hand) || 0 }) };
}

function readShown({ attrs }: Element): CallShown | null {
  const { participant, source } = attrs;
  return participant !== undefined && isSource(source) ? { participant, source } : null;
}

function readQuality(element: Element | undefined): CallQuality | undefined {
  const [named, why] = [element?.attrs["class"], element?.attrs["reason"]];
  const found = QUALITIES.find((known) => known === named);
  const reason = REASONS.find((known) => known === why);
  return found && { class: found, ...(reason && { reason }) };
}

function isSource(text: string | undefined): text is CallSource {
  return text === "microphone" || text === "camera" || text === "screen";
}

const QUALITIES = ["good", "fair", "poor"] as const;
const REASONS = ["loss-up", "loss-down", "round-trip", "bandwidth"] as const;
const PARTICIPANTS_MAX = 3_000;
const SLOTS_MAX = 64;
