import { xml, type Element } from "@xmpp/client";
import { expect, test } from "vitest";
import type { Body } from "../content/envelope";
import type { OpenMessage, Place, Target } from "./message";
import { plainFile } from "./files";
import { readOpen, writeOpen } from "./stanza";

const ADA = "k7qm2xw4p9ab";
const ID = `${ADA}.AAAAAAAAAAAAAAAAAAAA`;
const ROOM: Place = { to: "w3h5t9c2m7pd@groups.example.org", isRoom: true, domain: "example.org" };
const PEER: Place = { to: "p3c8tz0n6vfd@example.org", isRoom: false, domain: "example.org", nick: "Ada" };
const TARGET: Target = { id: "p3c8tz0n6vfd.1a0c4506c0000000", author: "p3c8tz0n6vfd", order: "1a0c4506c0000000", name: "their-id", text: "one\ntwo" };
const URL_OWN = "https://example.org/upload/x/a%20b.jpg";
const FILE = { ...plainFile(URL_OWN), bytes: 9, type: "image/jpeg", name: "a b.jpg" };

/** What we write, another device of ours reads. */
function check(body: Body, read: OpenMessage["body"], place: Place, about?: Target): void {
  const stanza = writeOpen({ id: ID, body, forwarded: false }, place, about);
  expect(readOpen(stanza, "example.org")?.body).toEqual(read);
}

test.each([ROOM, PEER])("what is written is read again", (place) => {
  const name = place.isRoom ? TARGET.order : TARGET.name;
  const text: Body = { kind: "text", text: "See you @Bob", mentions: ["p3c8tz0n6vfd"] };
  check(text, text, place);
  check({ kind: "location", latitude: 52.5163, longitude: 13.3777, name: "Gate" }, { kind: "location", latitude: 52.5163, longitude: 13.3777, name: "" }, place);
  check({ kind: "contact", name: "Zoë", numbers: ["+49301"] }, { kind: "text", text: "Zoë\n+49301", mentions: [] }, place);
  const photo: Body = { kind: "photo", file: FILE, caption: "", width: 4, height: 3 };
  check(photo, photo, place);
  const film: Body = { kind: "film", file: { ...FILE, type: "video/mp4" }, caption: "", width: 4, height: 3, durationMs: 900 };
  check(film, film, place);
  const document: Body = { kind: "document", file: { ...FILE, type: "application/pdf" }, caption: "" };
  check(document, document, place);
  check({ kind: "edit", of: TARGET.id, text: "three", mentions: [] }, { kind: "edit", of: "their-id", text: "three", mentions: [] }, place, TARGET);
  check({ kind: "reaction", of: TARGET.id, emoji: "👍🏽" }, { kind: "reaction", of: name, emoji: "👍🏽" }, place, TARGET);
  check({ kind: "reaction", of: TARGET.id, emoji: null }, { kind: "reaction", of: name, emoji: null }, place, TARGET);
  check({ kind: "retraction", of: TARGET.id }, { kind: "retraction", of: name }, place, TARGET);
  check({ kind: "receipt", read: TARGET.order }, { kind: "receipt", read: name }, place, TARGET);
  check({ kind: "typing", state: "typing" }, { kind: "typing", state: "typing" }, place);
  check({ kind: "disappearing", lifeS: 3600 }, { kind: "disappearing", lifeS: 3600 }, place);
  check({ kind: "disappearing", lifeS: null }, { kind: "disappearing", lifeS: null }, place);
});

test("a reply quotes for those who know no replies, and is read without the quotation", () => {
  const stanza = writeOpen({ id: ID, body: { kind: "text", text: "yes 👍", mentions: [] }, forwarded: false, lifeS: 60 }, PEER, TARGET);
  expect(stanza.getChildText("body")).toBe("> one\n> two\nyes 👍");
  expect(readOpen(stanza, "example.org")).toMatchObject({ names: [ID], reply: { of: "their-id", text: "yes 👍" }, lifeS: 60, nick: "Ada" });
});

test("what others send", () => {
  const read = (...content: Element[]) => readOpen(xml("message", { id: "1" }, content), "example.org")?.body;
  const oob = (url: string) => xml("x", { xmlns: "jabber:x:oob" }, xml("url", {}, url));
  const body = (text: string) => xml("body", {}, text);
  expect(read(body(URL_OWN), oob(URL_OWN))).toMatchObject({ kind: "photo", file: { url: URL_OWN, name: "a b.jpg", type: "image/jpeg" } });
  // Elsewhere is not looked at unasked.
  expect(read(body("https://other.example/a.jpg"), oob("https://other.example/a.jpg"))).toMatchObject({ kind: "document" });
  expect(read(body("look: https://other.example"), oob("https://other.example"))).toMatchObject({ kind: "text" });
  expect(read(body("javascript:alert(1)"), oob("javascript:alert(1)"))).toMatchObject({ kind: "text" });
  expect(read(body("I sent you an OMEMO message"), xml("encrypted", { xmlns: "eu.siacs.conversations.axolotl" }))).toEqual({ kind: "unreadable" });
  expect(read(xml("reactions", { xmlns: "urn:xmpp:reactions:0", id: "2" }, xml("reaction", {}, "no emoji at all")))).toMatchObject({ emoji: null });
  const range = (start: unknown, end: unknown) => [body("> a\nb"), xml("reply", { xmlns: "urn:xmpp:reply:0", id: "2" }), xml("fallback", { xmlns: "urn:xmpp:fallback:0", for: "urn:xmpp:reply:0" }, xml("body", { start: String(start), end: String(end) }))];
  const textOf = (content: Element[]) => readOpen(xml("message", {}, content), "example.org")?.reply?.text;
  expect([textOf(range(0, 4)), textOf(range(-1, 4)), textOf(range("x", 9)), textOf(range(3, 1)), textOf(range(0, 1e9))]).toEqual(["b", "> a\nb", "> a\nb", "> a\nb", ""]);
  expect(read(body("x".repeat(100_000)))).toMatchObject({ kind: "text", text: "x".repeat(16_384) });
  expect(read(body("geo:91,0"))).toMatchObject({ kind: "text" });
  expect(read()).toBeUndefined();
  // A body that only says what a client does not understand.
  expect(read(body("☎ +1"), xml("fallback", { xmlns: "urn:xmpp:fallback:0", for: "urn:whimbrel:number-change:0" }, xml("body")))).toBeUndefined();
});
