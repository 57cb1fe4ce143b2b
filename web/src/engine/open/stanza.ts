// A message of an open conversation, from its stanza and to its stanza.

import { xml, type Element } from "@xmpp/client";
import { isMessage, type Envelope } from "../content/envelope";
import { LIFE_S_MAX, LIFE_S_MIN, NAME_BYTES_MAX } from "../content/limits";
import { cutText } from "../content/fields";
import type { MessageBody } from "../content/contents";
import { Refusal } from "../refusal";
import { readCorrection, readReaction, readRetraction, writeCorrection, writeReaction, writeRetraction } from "./annotations";
import { readFile, writeFile } from "./files";
import { readChatState, readMarker, writeChatState, writeMarker, writeRequests } from "./markers";
import type { OpenBody, OpenMessage, Place, Target } from "./message";
import { NS } from "./ns";
import { placeText, readReply, readText, writeReply, writeText } from "./text";

/** @param nick by which a room shows its author
 *  @returns nothing where it says nothing that we know */
export function readOpen(stanza: Element, domain: string, nick?: string): OpenMessage | undefined {
  const lifeS = readLife(stanza);
  const body = bodyIn(stanza, domain) ?? (lifeS === undefined ? undefined : { kind: "disappearing" as const, lifeS });
  if (!body) return undefined;
  const origin = stanza.getChild("origin-id", NS.stanzaId)?.attrs["id"];
  const names = [stanza.attrs["id"], origin].filter((name) => name !== undefined && name.length <= NAME_CHARACTERS_MAX);
  const message: OpenMessage = { names: [...new Set(names)] as string[], body };
  const reply = readReply(stanza);
  if (reply) message.reply = reply;
  if (lifeS !== undefined && lifeS !== null && body.kind !== "disappearing") message.lifeS = lifeS;
  const called = nick ?? stanza.getChildText("nick", NS.nick)?.trim();
  if (called) message.nick = cutText(called, NAME_BYTES_MAX);
  return message;
}

/** @param about what it answers, edits, or speaks of
 *  @throws Refusal for what other clients have no words for */
export function writeOpen(envelope: Envelope, place: Place, about?: Target): Element {
  const { id, body, lifeS } = envelope;
  const isRoom = place.isRoom;
  const content = isMessage(body) ? writeMessage(body, place, about) : writeAnnotation(body, place, about);
  const isSaid = isMessage(body) || body.kind === "edit";
  return xml(
    "message",
    { type: isRoom ? "groupchat" : "chat", to: place.to, id },
    content,
    body.kind !== "typing" && xml("origin-id", { xmlns: NS.stanzaId, id }),
    isSaid && writeRequests(place),
    isSaid && lifeS !== undefined && xml("ephemeral", { xmlns: NS.ephemeral, timer: lifeS }),
    isSaid && !isRoom && place.nick !== undefined && place.nick !== "" && xml("nick", { xmlns: NS.nick }, place.nick),
  );
}

function bodyIn(stanza: Element, domain: string): OpenBody | undefined {
  if (stanza.getChild("encrypted", NS.omemo) || stanza.getChild("encryption", NS.encryption)) return { kind: "unreadable" };
  return (
    readRetraction(stanza) ?? readReaction(stanza) ?? readCorrection(stanza) ?? readFile(stanza, domain) ??
    readText(stanza, domain) ?? readMarker(stanza) ?? readChatState(stanza)
  );
}

function writeMessage(body: MessageBody, place: Place, quoted: Target | undefined): (Element | undefined)[] {
  const reply = quoted && writeReply(quoted, `${quoted.author}@${place.domain}`, place.isRoom);
  switch (body.kind) {
    case "text":
      return [...writeText(body.text, body.mentions, place, quoted), reply];
    case "location":
      return [...writeText(placeText(body.latitude, body.longitude), [], place), reply];
    case "contact":
      return [...writeText([body.name, ...body.numbers].join("\n"), [], place), reply];
    case "poll":
      throw notSaid("a poll");
    default:
      if (body.file.url === undefined) throw notSaid("an encrypted file");
      return [...writeFile(body, body.file.url), reply];
  }
}

function writeAnnotation(body: Exclude<Envelope["body"], MessageBody>, place: Place, target: Target | undefined): (Element | undefined)[] {
  if (body.kind === "typing") return writeChatState(body.state);
  if (body.kind === "disappearing") {
    return [xml("ephemeral", { xmlns: NS.ephemeral, timer: body.lifeS ?? 0 }), xml("store", { xmlns: NS.hints })];
  }
  if (!target) throw notSaid(body.kind);
  switch (body.kind) {
    case "edit":
      return [...writeText(body.text, body.mentions, place), writeCorrection(target)];
    case "reaction":
      return writeReaction(target, body.emoji, place);
    case "retraction":
      return writeRetraction(target, place);
    case "receipt":
      return writeMarker(target, body.read !== undefined, place);
    default:
      throw notSaid(body.kind);
  }
}

/** `null`: messages stay from now on. */
function readLife(stanza: Element): number | null | undefined {
  const timer = stanza.getChild("ephemeral", NS.ephemeral)?.attrs["timer"];
  const lifeS = Number(timer ?? Number.NaN);
  if (!Number.isSafeInteger(lifeS) || lifeS < 0) return undefined;
  return lifeS === 0 ? null : Math.min(Math.max(lifeS, LIFE_S_MIN), LIFE_S_MAX);
}

function notSaid(what: string): Refusal {
  return new Refusal("not-allowed", `${what} cannot be sent to other XMPP clients`);
}

const NAME_CHARACTERS_MAX = 128;
