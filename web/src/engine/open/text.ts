// RFC 6121 5.2.3, XEP-0428 Fallback Indication, XEP-0461 Message Replies, XEP-0372 References: what a
// message says in words.

import { xml, type Element } from "@xmpp/client";
import { cutText, isAccountId } from "../content/fields";
import { MENTIONS_MAX, TEXT_BYTES_MAX } from "../content/limits";
import type { AccountId } from "../protocol";
import type { OpenBody, OpenMessage, Place, Target } from "./message";
import { NS } from "./ns";

/** The body, but for one that only says what a client does not understand. */
export function bodyOf(stanza: Element): string | undefined {
  const body = stanza.getChildText("body");
  if (body === null) return undefined;
  const isInstead = stanza.getChildren("fallback", NS.fallback).some((fallback) => {
    const ranges = fallback.getChildren("body");
    const isWhole = fallback.getChildElements().length === 0 || ranges.some(({ attrs }) => attrs["start"] === undefined);
    return fallback.attrs["for"] !== NS.reply && isWhole;
  });
  return isInstead ? undefined : cutText(body, TEXT_BYTES_MAX);
}

export function readText(stanza: Element, domain: string): OpenBody | undefined {
  const text = bodyOf(stanza);
  if (text === undefined) return undefined;
  return readPlace(text) ?? { kind: "text", text, mentions: readMentions(stanza, domain) };
}

export function readReply(stanza: Element): OpenMessage["reply"] {
  const of = stanza.getChild("reply", NS.reply)?.attrs["id"];
  if (of === undefined) return undefined;
  const text = bodyOf(stanza) ?? "";
  const fallback = stanza.getChildren("fallback", NS.fallback).find(({ attrs }) => attrs["for"] === NS.reply);
  return { of, text: fallback ? withoutRange(text, fallback.getChild("body")) : text };
}

/** @param quoted what a reply answers */
export function writeText(text: string, mentions: AccountId[], { domain }: Place, quoted?: Target): (Element | undefined)[] {
  const quotation = quoted && quotationOf(quoted.text);
  const named = mentions.map((account) => xml("reference", { xmlns: NS.reference, type: "mention", uri: `xmpp:${account}@${domain}` }));
  const fallback = quotation && xml("fallback", { xmlns: NS.fallback, for: NS.reply }, xml("body", { start: 0, end: [...quotation].length }));
  return [xml("body", {}, `${quotation ?? ""}${text}`), ...named, fallback || undefined];
}

/** @param to the author's address */
export function writeReply({ name, order }: Target, to: string, isRoom: boolean): Element {
  return xml("reply", { xmlns: NS.reply, to, id: isRoom ? order : name });
}

/** RFC 5870. */
export function placeText(latitude: number, longitude: number): string {
  return `geo:${latitude},${longitude}`;
}

function readPlace(text: string): OpenBody | undefined {
  const match = /^geo:(-?\d{1,2}(?:\.\d{1,15})?),(-?\d{1,3}(?:\.\d{1,15})?)(?:[,;][\w=.;,-]{0,100})?$/.exec(text.trim());
  if (!match) return undefined;
  const [latitude, longitude] = [Number(match[1]), Number(match[2])];
  if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) return undefined;
  return { kind: "location", latitude, longitude, name: "" };
}

function readMentions(stanza: Element, domain: string): AccountId[] {
  const accounts = stanza.getChildren("reference", NS.reference).flatMap(({ attrs }) => {
    const [, account = "", host] = /^xmpp:([^@/?]+)@([^/?]+)/.exec(attrs["uri"] ?? "") ?? [];
    return attrs["type"] === "mention" && host === domain && isAccountId(account) ? [account] : [];
  });
  return [...new Set(accounts)].slice(0, MENTIONS_MAX);
}

// In characters of Unicode, as XEP-0426 counts.
function withoutRange(text: string, range: Element | undefined): string {
  const characters = [...text];
  const [start, end] = [Number(range?.attrs["start"]), Number(range?.attrs["end"])];
  const isFit = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end;
  return isFit ? [...characters.slice(0, start), ...characters.slice(end)].join("") : text;
}

function quotationOf(text: string): string {
  const lines = text.split("\n").slice(0, QUOTED_LINES_MAX);
  return lines.map((line) => `> ${line}\n`).join("");
}

const QUOTED_LINES_MAX = 4;
