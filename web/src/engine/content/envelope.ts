// docs/protocol/envelope.md: what stands inside the encryption, from bytes and to bytes.

import type { AccountId, Chat, ChatId, ChatMarks, FileRef, MessageId, Order, Settings } from "../protocol";
import { decode as decodeCbor, encode as encodeCbor } from "../store/cbor";
import {
  authorOf, isMessageKind, readFile, readMessage, readQuote, readText, writeMessage, writeQuote,
  type MessageBody, type Quote, type TextBody,
} from "./contents";
import { FieldError, Fields, isMessageId } from "./fields";
import * as limits from "./limits";

/** What one MLS message says. */
export interface Envelope {
  /** Begins with the account of the author. */
  id: MessageId;
  body: Body;
  reply?: Quote;
  forwarded: boolean;
  /** How long it lasts from when the server took it, in seconds. */
  lifeS?: number;
  /** The author's, sent along where the conversation may not know it yet. */
  profile?: Profile;
}

export type Body = MessageBody | Annotation | OwnBody;

/** What others' and one's own devices say about messages. */
export type Annotation =
  | ({ kind: "edit"; of: MessageId } & TextBody)
  /** One of an account to a message; `null` takes it back. */
  | { kind: "reaction"; of: MessageId; emoji: string | null }
  | { kind: "vote"; of: MessageId; choices: number[] }
  | { kind: "retraction"; of: MessageId }
  /** Everything up to these messages has come to a device, and was seen. */
  | { kind: "receipt"; delivered?: Order; read?: Order }
  /** How long messages last from now on. */
  | { kind: "disappearing"; lifeS: number | null }
  /** What the group is called and looks like; what is not named stays. `since`: told again to those who
   *  came later, as it has been since that place in the log. */
  | ({ kind: "group"; since?: Order } & Partial<GroupLook>)
  /** A newcomer does not know what the group is called. */
  | { kind: "ask" }
  /** Passing: it is sealed like all, and stored nowhere. */
  | { kind: "typing"; state: TypingState }
  | { kind: "profile" };

/** The server knows nothing of it. */
export interface GroupLook {
  name: string;
  description: string;
  icon: FileRef | null;
}

export type TypingState = "typing" | "recording" | "paused";

/** What own devices tell one another, in the group of the own account alone. */
export type OwnBody =
  | { kind: "chat"; chat: ChatId; set: Partial<ChatMarks> }
  | { kind: "read"; chat: ChatId; upTo: Order }
  | { kind: "star"; chat: ChatId; ids: MessageId[]; starred: boolean }
  | { kind: "hide"; chat: ChatId; ids: MessageId[] }
  | { kind: "clear"; chat: ChatId; upTo: Order }
  | { kind: "person"; account: AccountId; name?: string; number?: string; verified?: boolean }
  | { kind: "tray"; file: FileRef; width: number; height: number; kept: boolean }
  | { kind: "settings"; set: Partial<Settings> }
  | HistoryBody;

/** What a further device has not. */
export type HistoryBody =
  /** Asks this device for it; `key` seals what is for the one that asks. */
  | { kind: "history-ask"; device: string; key: Uint8Array }
  /** For this device: where a portion is, sealed by HPKE. */
  | { kind: "history"; device: string; enc: Uint8Array; sealed: Uint8Array };

/** What an account says of itself. */
export interface Profile {
  name: string;
  about: string;
  avatar: FileRef | null;
}

/** Bytes that say nothing to this version of the app. */
export interface Unreadable {
  /** A later version can read it. */
  isNewer: boolean;
  /** Nothing that a user would miss. */
  isQuiet: boolean;
  id?: MessageId;
}

/** @throws FieldError for what others could not read. */
export function encodeEnvelope(envelope: Envelope): Uint8Array<ArrayBuffer> {
  const { id, body, reply, forwarded, lifeS, profile } = envelope;
  const bytes = encodeCbor({
    v: VERSION,
    id,
    kind: body.kind,
    body: writeBody(body),
    reply: reply && writeQuote(reply),
    forwarded: forwarded || undefined,
    life: lifeS,
    profile,
    quiet: isQuiet(body) || undefined,
  });
  if (bytes.length > limits.ENVELOPE_BYTES_MAX) throw new FieldError("envelope");
  readEnvelope(bytes, authorOf(id));
  return bytes;
}

/** Never throws: what cannot be read is told so. */
export function decodeEnvelope(bytes: Uint8Array, author: AccountId): Envelope | Unreadable {
  try {
    return readEnvelope(bytes, author);
  } catch {
    return { isNewer: false, isQuiet: false };
  }
}

export function isUnreadable(decoded: Envelope | Unreadable): decoded is Unreadable {
  return "isNewer" in decoded;
}

/** It makes no bubble, and nobody is notified of it. */
export function isQuiet(body: Body): boolean {
  if (body.kind === "group") return body.since !== undefined;
  return !isMessageKind(body.kind) && body.kind !== "disappearing";
}

/** People are called for it, where no app of theirs runs. In a group a reaction would call all for one. */
export function calls(body: Body, by: AccountId, chat: Chat["kind"] | undefined): boolean {
  if (body.kind === "reaction") return body.emoji !== null && chat === "direct" && authorOf(body.of) !== by;
  return isMessageKind(body.kind) && chat !== "self";
}

/** Belongs in the group of the own account, and is passed over elsewhere. */
export function isOwn(body: Body): body is OwnBody {
  return Object.hasOwn(OWN_READERS, body.kind);
}

export function isMessage(body: Body): body is MessageBody {
  return isMessageKind(body.kind);
}

function readEnvelope(bytes: Uint8Array, author: AccountId): Envelope | Unreadable {
  if (bytes.length > limits.ENVELOPE_BYTES_MAX) throw new FieldError("envelope");
  const fields = new Fields(decodeCbor(bytes), "envelope");
  const version = fields.integer("v", 1, 0xffff);
  const id = fields.message("id");
  if (authorOf(id) !== author) throw new FieldError("id");
  const kind = fields.text("kind", KIND_BYTES_MAX);
  if (version > VERSION || !isKnown(kind)) return { isNewer: true, isQuiet: fields.flag("quiet"), id };
  return {
    id,
    body: readBody(kind, fields.map("body")),
    reply: fields.optional("reply", () => readQuote(fields.map("reply"))),
    forwarded: fields.flag("forwarded"),
    lifeS: fields.optional("life", () => fields.integer("life", limits.LIFE_S_MIN, limits.LIFE_S_MAX)),
    profile: fields.optional("profile", () => readProfile(fields.map("profile"))),
  };
}

type Kind = Body["kind"];

function isKnown(kind: string): kind is Kind {
  return isMessageKind(kind) || Object.hasOwn(ANNOTATION_READERS, kind) || Object.hasOwn(OWN_READERS, kind);
}

function readBody(kind: Kind, fields: Fields): Body {
  if (isMessageKind(kind)) return readMessage(kind, fields);
  const read = { ...ANNOTATION_READERS, ...OWN_READERS }[kind];
  return read(fields);
}

function writeBody(body: Body): object {
  if (isMessage(body)) return writeMessage(body);
  const { kind: _, ...fields } = body;
  return fields;
}

type Readers<Of extends { kind: string }> = { [Kind in Of["kind"]]: (fields: Fields) => Of & { kind: Kind } };

const ANNOTATION_READERS: Readers<Annotation> = {
  edit: (fields) => ({ kind: "edit", of: fields.message("of"), ...readText(fields) }),
  reaction: (fields) => ({
    kind: "reaction",
    of: fields.message("of"),
    emoji: fields.orNull("emoji", () => readEmoji(fields)),
  }),
  vote: (fields) => ({ kind: "vote", of: fields.message("of"), choices: readChoices(fields) }),
  retraction: (fields) => ({ kind: "retraction", of: fields.message("of") }),
  receipt: (fields) => ({
    kind: "receipt",
    delivered: fields.optional("delivered", () => fields.order("delivered")),
    read: fields.optional("read", () => fields.order("read")),
  }),
  disappearing: (fields) => ({ kind: "disappearing", lifeS: readLife(fields, "lifeS") }),
  group: (fields) => present({
    kind: "group" as const,
    name: fields.optional("name", () => fields.text("name", limits.NAME_BYTES_MAX)),
    description: fields.optional("description", () => fields.text("description", limits.DESCRIPTION_BYTES_MAX)),
    icon: fields.optional("icon", () => fields.orNull("icon", () => readFile(fields.map("icon")))),
    since: fields.optional("since", () => fields.order("since")),
  }) as Annotation & { kind: "group" },
  typing: (fields) => ({ kind: "typing", state: fields.oneOf("state", TYPING_STATES) }),
  ask: () => ({ kind: "ask" }),
  profile: () => ({ kind: "profile" }),
};

const OWN_READERS: Readers<OwnBody> = {
  chat: (fields) => ({ kind: "chat", chat: fields.chat("chat"), set: readMarks(fields.map("set")) }),
  read: (fields) => ({ kind: "read", chat: fields.chat("chat"), upTo: fields.order("upTo") }),
  star: (fields) => ({
    kind: "star", chat: fields.chat("chat"), ids: fields.messages("ids"), starred: fields.flag("starred"),
  }),
  hide: (fields) => ({ kind: "hide", chat: fields.chat("chat"), ids: fields.messages("ids") }),
  clear: (fields) => ({ kind: "clear", chat: fields.chat("chat"), upTo: fields.order("upTo") }),
  person: (fields) => ({
    kind: "person",
    account: fields.account("account"),
    name: fields.optional("name", () => fields.text("name", limits.NAME_BYTES_MAX)),
    number: fields.optional("number", () => fields.text("number", limits.NUMBER_BYTES_MAX)),
    verified: fields.optional("verified", () => fields.flag("verified")),
  }),
  tray: (fields) => ({
    kind: "tray",
    file: readFile(fields.map("file")),
    width: fields.integer("width", 0, limits.PIXELS_MAX),
    height: fields.integer("height", 0, limits.PIXELS_MAX),
    kept: fields.flag("kept"),
  }),
  settings: (fields) => ({ kind: "settings", set: readSettings(fields.map("set")) }),
  "history-ask": (fields) => ({
    kind: "history-ask",
    device: fields.text("device", limits.DEVICE_BYTES_MAX),
    key: fields.bytes("key", HPKE_KEY_BYTES, HPKE_KEY_BYTES),
  }),
  history: (fields) => ({
    kind: "history",
    device: fields.text("device", limits.DEVICE_BYTES_MAX),
    enc: fields.bytes("enc", HPKE_KEY_BYTES, HPKE_KEY_BYTES),
    sealed: fields.bytes("sealed", 1, limits.PARCEL_BYTES_MAX),
  }),
};

function readMarks(fields: Fields): Partial<ChatMarks> {
  return present({
    pinned: fields.optional("pinned", () => fields.flag("pinned")),
    archived: fields.optional("archived", () => fields.flag("archived")),
    mutedUntil: fields.optional("mutedUntil", () => readMoment(fields, "mutedUntil")),
    mentionsMuted: fields.optional("mentionsMuted", () => fields.flag("mentionsMuted")),
    markedUnread: fields.optional("markedUnread", () => fields.flag("markedUnread")),
    draft: fields.optional("draft", () => fields.text("draft", limits.TEXT_BYTES_MAX)),
    ownColour: fields.optional("ownColour", () => readLook(fields, "ownColour", limits.COLOUR_BYTES_MAX)),
    otherColour: fields.optional("otherColour", () => readLook(fields, "otherColour", limits.COLOUR_BYTES_MAX)),
    wallpaper: fields.optional("wallpaper", () => readLook(fields, "wallpaper", limits.WALLPAPER_BYTES_MAX)),
  });
}

function readSettings(fields: Fields): Partial<Settings> {
  const audience = (name: string) => fields.optional(name, () => fields.oneOf(name, AUDIENCES));
  return present({
    readReceipts: fields.optional("readReceipts", () => fields.flag("readReceipts")),
    lastSeen: audience("lastSeen"),
    avatarAudience: audience("avatarAudience"),
    addable: audience("addable"),
    discoverable: fields.optional("discoverable", () => fields.flag("discoverable")),
    disappearingS: fields.optional("disappearingS", () => readLife(fields, "disappearingS")),
    linkPreviews: fields.optional("linkPreviews", () => fields.orNull("linkPreviews", () => fields.flag("linkPreviews"))),
    notifications: fields.optional("notifications", () => readNotifications(fields.map("notifications"))),
  });
}

function readNotifications(fields: Fields): Settings["notifications"] {
  return {
    sounds: fields.flag("sounds"),
    previews: fields.flag("previews"),
    doNotDisturbUntil: readMoment(fields, "doNotDisturbUntil"),
  };
}

/** @throws FieldError */
export function readProfile(fields: Fields): Profile {
  return {
    name: fields.textOr("name", limits.NAME_BYTES_MAX),
    about: fields.textOr("about", limits.ABOUT_BYTES_MAX),
    avatar: fields.has("avatar") ? fields.orNull("avatar", () => readFile(fields.map("avatar"))) : null,
  };
}

function readEmoji(fields: Fields): string {
  const emoji = fields.text("emoji", limits.EMOJI_BYTES_MAX);
  const characters = [...new Intl.Segmenter().segment(emoji)];
  if (characters.length !== 1) throw new FieldError("emoji");
  return emoji;
}

function readChoices(fields: Fields): number[] {
  const choices = fields.list("choices", 0, limits.CHOICES_MAX, (value) => {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw new FieldError("choices");
    return value;
  });
  return [...new Set(choices)].sort((one, other) => one - other);
}

function readLife(fields: Fields, name: string): number | null {
  return fields.orNull(name, () => fields.integer(name, limits.LIFE_S_MIN, limits.LIFE_S_MAX));
}

function readMoment(fields: Fields, name: string): number | null {
  return fields.orNull(name, () => fields.integer(name, 0, Number.MAX_SAFE_INTEGER));
}

function readLook(fields: Fields, name: string, bytesMax: number): string | null {
  return fields.orNull(name, () => fields.text(name, bytesMax));
}

function present<T extends object>(value: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(entries) as { [Name in keyof T]?: Exclude<T[Name], undefined> };
}

/** @returns a new message's id. */
export function newMessageId(author: AccountId): MessageId {
  const random = crypto.getRandomValues(new Uint8Array(ID_RANDOM_BYTES));
  const text = btoa(String.fromCharCode(...random)).replaceAll("+", "-").replaceAll("/", "_");
  const id = `${author}.${text}`;
  if (!isMessageId(id)) throw new TypeError(`${author} is no account's id`);
  return id;
}

const VERSION = 1;
/** X25519. */
const HPKE_KEY_BYTES = 32;
const AUDIENCES = ["everybody", "contacts", "nobody"] as const;
const TYPING_STATES = ["typing", "recording", "paused"] as const;
const KIND_BYTES_MAX = 32;
/** A multiple of three: base64 without padding. */
const ID_RANDOM_BYTES = 15;
