// The kinds of an envelope that make a bubble (docs/protocol/envelope.md, "Messages").

import type { AccountId, Content, FileRef, LinkPreview, Preview } from "../protocol";
import { FieldError, Fields, isAccountId } from "./fields";
import * as limits from "./limits";

/** A message as its author wrote it; votes come from others. */
export type MessageBody =
  | Exclude<Content, { kind: "system" | "deleted" | "unreadable" | "poll" }>
  | { kind: "poll"; question: string; choices: string[]; several: boolean };

/** The start of what it answers, as the author of the reply saw it. */
export interface Quote {
  id: string;
  preview: Preview & { kind: MessageBody["kind"] };
}

/** Text, and whom and what it names: of a message or of an edit. */
export interface TextBody {
  text: string;
  mentions: AccountId[];
  link?: LinkPreview;
}

export function isMessageKind(kind: string): kind is MessageBody["kind"] {
  return Object.hasOwn(READERS, kind);
}

/** @throws FieldError */
export function readMessage(kind: MessageBody["kind"], fields: Fields): MessageBody {
  return READERS[kind](fields);
}

/** As it stands in an envelope. */
export function writeMessage(body: MessageBody): object {
  switch (body.kind) {
    case "voice":
      return { ...without(body), waveform: Uint8Array.from(body.waveform, (point) => Math.round(point * 255)) };
    case "location":
      return { ...without(body), latitude: toE7(body.latitude), longitude: toE7(body.longitude) };
    default:
      return without(body);
  }
}

/** @throws FieldError */
export function readQuote(fields: Fields): Quote {
  const kind = fields.oneOf("kind", MESSAGE_KINDS);
  return { id: fields.message("id"), preview: { kind, text: fields.textOr("text", limits.PREVIEW_BYTES_MAX) } };
}

export function writeQuote(quote: Quote): object {
  return { id: quote.id, kind: quote.preview.kind, text: quote.preview.text };
}

/** @throws FieldError */
export function readFile(fields: Fields): FileRef {
  const digest = fields.text("digest", 64);
  if (!/^[0-9a-f]{64}$/.test(digest)) throw new FieldError("digest");
  return {
    digest,
    key: fields.bytes("key", 32, 32),
    bytes: fields.integer("bytes", 0, limits.FILE_BYTES_MAX),
    type: readType(fields),
    name: fields.textOr("name", limits.FILE_NAME_BYTES_MAX),
    thumbnail: fields.optional("thumbnail", () => fields.bytes("thumbnail", 1, limits.THUMBNAIL_BYTES_MAX)),
  };
}

/** @throws FieldError */
export function readLink(fields: Fields): LinkPreview {
  const url = fields.text("url", limits.URL_BYTES_MAX);
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) throw new FieldError("url");
  return {
    url,
    title: fields.textOr("title", limits.LINK_TITLE_BYTES_MAX),
    text: fields.textOr("text", limits.LINK_TEXT_BYTES_MAX),
    picture: fields.optional("picture", () => fields.bytes("picture", 1, limits.LINK_PICTURE_BYTES_MAX)),
  };
}

/** @throws FieldError */
export function readText(fields: Fields): TextBody {
  return {
    text: fields.text("text", limits.TEXT_BYTES_MAX),
    mentions: fields.accounts("mentions", limits.MENTIONS_MAX),
    link: fields.optional("link", () => readLink(fields.map("link"))),
  };
}

const READERS: { [Kind in MessageBody["kind"]]: (fields: Fields) => MessageBody & { kind: Kind } } = {
  text: (fields) => ({ kind: "text", ...readText(fields) }),
  photo: (fields) => ({ kind: "photo", ...readPicture(fields) }),
  film: (fields) => ({ kind: "film", ...readPicture(fields) }),
  gif: (fields) => ({ kind: "gif", ...readPicture(fields) }),
  sticker: (fields) => ({ kind: "sticker", ...readPicture(fields) }),
  voice: (fields) => ({
    kind: "voice",
    file: readFile(fields.map("file")),
    durationMs: fields.integer("durationMs", 0, limits.DURATION_MS_MAX),
    waveform: [...fields.bytes("waveform", 0, limits.WAVEFORM_POINTS_MAX)].map((point) => point / 255),
  }),
  document: (fields) => ({
    kind: "document",
    file: readFile(fields.map("file")),
    caption: fields.textOr("caption", limits.CAPTION_BYTES_MAX),
  }),
  poll: (fields) => ({
    kind: "poll",
    question: fields.text("question", limits.QUESTION_BYTES_MAX),
    choices: fields.texts("choices", limits.CHOICES_MIN, limits.CHOICES_MAX, limits.CHOICE_BYTES_MAX),
    several: fields.flag("several"),
  }),
  location: (fields) => ({
    kind: "location",
    latitude: fields.integer("latitude", -90 * E7, 90 * E7) / E7,
    longitude: fields.integer("longitude", -180 * E7, 180 * E7) / E7,
    name: fields.textOr("name", limits.NAME_BYTES_MAX),
  }),
  contact: (fields) => ({
    kind: "contact",
    name: fields.text("name", limits.NAME_BYTES_MAX),
    numbers: fields.texts("numbers", 0, limits.NUMBERS_MAX, limits.NUMBER_BYTES_MAX),
    account: fields.optional("account", () => fields.account("account")),
  }),
};

const MESSAGE_KINDS = Object.keys(READERS) as MessageBody["kind"][];

function readPicture(fields: Fields) {
  return {
    file: readFile(fields.map("file")),
    caption: fields.textOr("caption", limits.CAPTION_BYTES_MAX),
    width: fields.integer("width", 0, limits.PIXELS_MAX),
    height: fields.integer("height", 0, limits.PIXELS_MAX),
    durationMs: fields.optional("durationMs", () => fields.integer("durationMs", 0, limits.DURATION_MS_MAX)),
  };
}

function readType(fields: Fields): string {
  const type = fields.text("type", limits.FILE_TYPE_BYTES_MAX);
  // RFC 6838 4.2. It ends up in a header field of the service worker's answer.
  if (!/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(type)) throw new FieldError("type");
  return type.toLowerCase();
}

function without<Body extends { kind: string }>(body: Body): Omit<Body, "kind"> {
  const { kind: _, ...fields } = body;
  return fields;
}

function toE7(degrees: number): number {
  return Math.round(degrees * E7);
}

/** Degrees are whole ten millionths of one: a centimetre. */
const E7 = 1e7;

/** The account that made a message's id. */
export function authorOf(id: string): string {
  const author = id.slice(0, 12);
  if (!isAccountId(author)) throw new TypeError(`${id} is no message's id`);
  return author;
}
