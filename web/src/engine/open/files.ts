// XEP-0066 Out of Band Data, XEP-0446 File metadata element, XEP-0447 Stateless file sharing: files that lie
// open at an address. The server, and whoever knows the address, can read them.

import { xml, type Element } from "@xmpp/client";
import type { MessageBody } from "../content/contents";
import { cutText } from "../content/fields";
import { DURATION_MS_MAX, FILE_BYTES_MAX, FILE_NAME_BYTES_MAX, PIXELS_MAX, URL_BYTES_MAX } from "../content/limits";
import type { FileRef } from "../protocol";
import type { OpenBody } from "./message";
import { NS } from "./ns";

export type FileBody = Extract<MessageBody, { file: FileRef }>;

/** @param domain of the own server: what lies elsewhere is not fetched unasked, which would tell others who looks. */
export function readFile(stanza: Element, domain: string): OpenBody | undefined {
  const shared = stanza.getChild("file-sharing", NS.sharing);
  const about = shared?.getChild("file", NS.file);
  const oob = stanza.getChild("x", NS.oob)?.getChildText("url")?.trim();
  const body = stanza.getChildText("body")?.trim();
  // With words beside it, an address is a link in a text.
  const url = addressIn(shared) ?? (oob !== undefined && (body === undefined || body === oob) ? oob : undefined);
  if (url === undefined || url.length > URL_BYTES_MAX || !/^https?:\/\//i.test(url) || !URL.canParse(url)) return undefined;
  const { hostname, pathname } = new URL(url);
  const name = cutText(about?.getChildText("name") ?? lastOf(pathname), FILE_NAME_BYTES_MAX);
  const type = typeOf(about?.getChildText("media-type") ?? undefined, name);
  const file = { ...plainFile(url), bytes: numberIn(about, "size", FILE_BYTES_MAX) ?? 0, type, name };
  const caption = shared && body !== undefined && body !== url && body !== oob ? cutText(body, FILE_NAME_BYTES_MAX) : "";
  const kind = hostname === domain ? type.split("/")[0] : "other";
  const durationMs = numberIn(about, "length", DURATION_MS_MAX);
  const size = { width: numberIn(about, "width", PIXELS_MAX) ?? 0, height: numberIn(about, "height", PIXELS_MAX) ?? 0 };
  if (kind === "audio") return { kind: "voice", file, durationMs: durationMs ?? 0, waveform: [] };
  if (kind === "image" && type !== "image/svg+xml") return { kind: "photo", file, caption, ...size };
  if (kind === "video") return { kind: "film", file, caption, ...size, ...(durationMs !== undefined && { durationMs }) };
  return { kind: "document", file, caption };
}

/** @param url where the file lies */
export function writeFile(body: FileBody, url: string): Element[] {
  const { file } = body;
  const isPicture = "width" in body;
  const about = xml(
    "file",
    { xmlns: NS.file },
    xml("media-type", {}, file.type),
    xml("name", {}, file.name || lastOf(new URL(url).pathname)),
    xml("size", {}, String(file.bytes)),
    isPicture && body.width > 0 && xml("width", {}, String(body.width)),
    isPicture && body.height > 0 && xml("height", {}, String(body.height)),
    "durationMs" in body && body.durationMs !== undefined && xml("length", {}, String(body.durationMs)),
  );
  const disposition = body.kind === "document" ? "attachment" : "inline";
  const source = xml("sources", {}, xml("url-data", { xmlns: NS.urlData, target: url }));
  return [
    xml("body", {}, url),
    xml("x", { xmlns: NS.oob }, xml("url", {}, url)),
    xml("file-sharing", { xmlns: NS.sharing, disposition }, about, source),
  ];
}

/** A file that nothing seals. */
export function plainFile(url: string): Pick<FileRef, "digest" | "key" | "url"> {
  return { digest: "", key: new Uint8Array(), url };
}

function addressIn(shared: Element | undefined): string | undefined {
  const sources = shared?.getChild("sources")?.getChildren("url-data", NS.urlData) ?? [];
  return sources.map(({ attrs }) => attrs["target"]).find((target) => target !== undefined);
}

function numberIn(about: Element | undefined, name: string, max: number): number | undefined {
  const number = Number(about?.getChildText(name) ?? Number.NaN);
  return Number.isSafeInteger(number) && number >= 0 && number <= max ? number : undefined;
}

function lastOf(path: string): string {
  const last = path.split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

function typeOf(declared: string | undefined, name: string): string {
  if (declared !== undefined && /^[\w!#$&^.+-]{1,60}\/[\w!#$&^.+-]{1,60}$/.test(declared)) return declared.toLowerCase();
  return TYPES[name.split(".").at(-1)?.toLowerCase() ?? ""] ?? "application/octet-stream";
}

/** Of files that come with nothing but an address. */
const TYPES: Record<string, string> = {
  avif: "image/avif", gif: "image/gif", jpeg: "image/jpeg", jpg: "image/jpeg", png: "image/png", webp: "image/webp",
  mp4: "video/mp4", webm: "video/webm", m4a: "audio/mp4", mp3: "audio/mpeg", oga: "audio/ogg", ogg: "audio/ogg", opus: "audio/ogg",
  pdf: "application/pdf",
};
