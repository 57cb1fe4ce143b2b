import { expect, test } from "vitest";
import { encode as encodeCbor } from "../store/cbor";
import { calls, decodeEnvelope, encodeEnvelope, isQuiet, isUnreadable, newMessageId, type Body, type Envelope } from "./envelope";
import { FieldError } from "./fields";
import { random } from "./random.test-support";

const ADA = "k7qm2xw4p9ab";
const BOB = "p3c8tz0n6vfd";
const target = newMessageId(BOB);
const file = {
  digest: "0f".repeat(32), key: new Uint8Array(32).fill(7), bytes: 5_000_000, type: "image/jpeg", name: "tern.jpg",
  thumbnail: new Uint8Array(4096),
};

const BODIES: Body[] = [
  { kind: "text", text: "Hello @Bob", mentions: [BOB], link: { url: "https://example.org/", title: "An example", text: "", picture: new Uint8Array([255, 216]) } },
  { kind: "photo", file, caption: "A tern", width: 4000, height: 3000 },
  { kind: "film", file, caption: "", width: 1920, height: 1080, durationMs: 61_000 },
  { kind: "gif", file, caption: "", width: 1, height: 1 },
  { kind: "sticker", file, caption: "", width: 512, height: 512 },
  { kind: "voice", file, durationMs: 4_200, waveform: [0, 0.2, 1] },
  { kind: "document", file, caption: "The minutes" },
  { kind: "poll", question: "When?", choices: ["Today", "Tomorrow"], several: true },
  { kind: "location", latitude: -36.8484597, longitude: 174.7633315, name: "Harbour" },
  { kind: "contact", name: "Grace", numbers: ["+15550100123"], account: BOB },
  { kind: "edit", of: target, text: "Better", mentions: [] },
  { kind: "reaction", of: target, emoji: "👩🏽‍🚀" },
  { kind: "reaction", of: target, emoji: null },
  { kind: "vote", of: target, choices: [0, 1] },
  { kind: "retraction", of: target },
  { kind: "receipt", delivered: "1a0c4506c0000009", read: "1a0c4506c0000002" },
  { kind: "disappearing", lifeS: 86_400 },
  { kind: "group", name: "Family", icon: file },
  { kind: "group", name: "Family", description: "All of us", icon: null, since: "1a0c4506c0000002" },
  { kind: "ask" },
  { kind: "typing", state: "recording" },
  { kind: "profile" },
  { kind: "chat", chat: BOB, set: { pinned: true, mutedUntil: null, draft: "…" } },
  { kind: "read", chat: BOB, upTo: "1a0c4506c0000009" },
  { kind: "star", chat: BOB, ids: [target], starred: true },
  { kind: "hide", chat: BOB, ids: [target] },
  { kind: "clear", chat: BOB, upTo: "1a0c4506c0000009" },
  { kind: "person", account: BOB, name: "Bob", verified: true },
  { kind: "settings", set: { readReceipts: false, notifications: { sounds: true, previews: false, doNotDisturbUntil: null } } },
];

test.each(BODIES)("$kind is read as it was written", (body) => {
  const envelope: Envelope = { id: newMessageId(ADA), body, forwarded: false, lifeS: 3600 };
  expect(decodeEnvelope(encodeEnvelope(envelope), ADA)).toEqual(envelope);
});

test("a reply, a forward mark and a profile come along", () => {
  const envelope: Envelope = {
    id: newMessageId(ADA),
    body: { kind: "text", text: "Yes", mentions: [] },
    reply: { id: target, preview: { kind: "photo", text: "A tern" } },
    forwarded: true,
    profile: { name: "Ada", about: "", avatar: file },
  };
  expect(decodeEnvelope(encodeEnvelope(envelope), ADA)).toEqual(envelope);
});

test("nobody speaks in another's name", () => {
  const bytes = encodeEnvelope({ id: newMessageId(BOB), body: { kind: "text", text: "I am Bob", mentions: [] }, forwarded: false });
  expect(isUnreadable(decodeEnvelope(bytes, ADA))).toBe(true);
});

test("what a newer app says is told from nonsense, and shown only where it is something to see", () => {
  const id = newMessageId(ADA);
  const newer = (fields: object) => decodeEnvelope(encodeCbor({ v: 1, id, kind: "hologram", body: {}, ...fields }), ADA);
  expect(newer({})).toEqual({ isNewer: true, isQuiet: false, id });
  expect(newer({ quiet: true })).toEqual({ isNewer: true, isQuiet: true, id });
  expect(newer({ v: 2, kind: "text" })).toEqual({ isNewer: true, isQuiet: false, id });
  // Fields that are not known are passed over.
  expect(newer({ kind: "text", body: { text: "Hi", depth: 3 } })).toMatchObject({ body: { kind: "text", text: "Hi" } });
  expect(newer({ kind: "toString" })).toMatchObject({ isNewer: true });
  expect(newer({ kind: "text", body: { text: 5 } })).toMatchObject({ isNewer: false });
});

test.each<[string, Body]>([
  ["a text", { kind: "text", text: "é".repeat(8_193), mentions: [] }],
  ["a thumbnail", { kind: "photo", file: { ...file, thumbnail: new Uint8Array(4_097) }, caption: "", width: 1, height: 1 }],
  ["a poll of one choice", { kind: "poll", question: "?", choices: ["Yes"], several: false }],
  ["two emoji", { kind: "reaction", of: target, emoji: "👍👍" }],
  ["a link that runs", { kind: "text", text: "", mentions: [], link: { url: "javascript:alert(1)", title: "", text: "" } }],
  ["a type that ends its header", { kind: "document", file: { ...file, type: "a/b\r\nx: y" }, caption: "" }],
  ["a digest that is a path", { kind: "document", file: { ...file, digest: "../".padEnd(64, "0") }, caption: "" }],
])("%s beyond the limits is not sent", (_, body) => {
  expect(() => encodeEnvelope({ id: newMessageId(ADA), body, forwarded: false })).toThrow(FieldError);
});

test("hostile bytes never throw", () => {
  const next = random(7);
  const good = BODIES.map((body) => encodeEnvelope({ id: newMessageId(ADA), body, forwarded: true }));
  for (let round = 0; round < 20_000; round++) {
    const bytes = good[next(good.length)]!.slice(0);
    for (let flip = 0; flip <= next(4); flip++) bytes[next(bytes.length)] = next(256);
    const cut = next(3) === 0 ? bytes.subarray(0, next(bytes.length)) : bytes;
    decodeEnvelope(cut, ADA);
  }
  expect(decodeEnvelope(new Uint8Array(65_537), ADA)).toEqual({ isNewer: false, isQuiet: false });
  expect(decodeEnvelope(new Uint8Array(60_000).fill(0x81), ADA)).toEqual({ isNewer: false, isQuiet: false });
});

test("what makes no bubble is quiet", () => {
  const loud = BODIES.filter((body) => !isQuiet(body)).map((body) => body.kind);
  expect(new Set(loud)).toEqual(new Set(["text", "photo", "film", "gif", "sticker", "voice", "document", "poll", "location", "contact", "disappearing", "group"]));
});

test("people are called for messages, and for a reaction to their own", () => {
  const kinds = (chat: "direct" | "group" | "self") => new Set(BODIES.filter((body) => calls(body, ADA, chat)).map((body) => body.kind));
  const messages = new Set(["text", "photo", "film", "gif", "sticker", "voice", "document", "poll", "location", "contact"]);
  expect(kinds("group")).toEqual(messages);
  expect(kinds("self")).toEqual(new Set());
  const react = (author: string, emoji: string | null) => calls({ kind: "reaction", of: newMessageId(author), emoji }, ADA, "direct");
  expect([react("p3c8tz0n6vfd", "👍"), react("p3c8tz0n6vfd", null), react(ADA, "👍")]).toEqual([true, false, false]);
});
