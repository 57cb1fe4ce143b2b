// XEP-0363 HTTP File Upload: a kept file as it goes into an open conversation, where other XMPP clients are
// to read it: nothing seals it. Until then it lies encrypted in the store, like all that waits.

import { xml } from "@xmpp/client";
import { StanzaRefused } from "../connection/stanza-refused";
import type { Self, Xmpp } from "../parts";
import type { FileRef } from "../protocol";
import { Refusal } from "../refusal";
import type { Reader } from "../store/store";
import { importKey, openPiece, pieceCount } from "./cipher";
import { keptPiece, type Kept } from "./kept-file";

/** A place for one file, named before its bytes are there. */
export interface Slot {
  put: string;
  get: string;
}

export type SlotFor = (file: Pick<FileRef, "name" | "type" | "bytes">) => Promise<Slot>;

/** @returns where anybody has it from, who knows the address.
 *  @throws Refusal */
export async function uploadOpenly(
  store: Reader, id: string, file: Kept & Pick<FileRef, "name" | "type">, origin: string, slotFor: SlotFor, signal: AbortSignal,
): Promise<string> {
  const body = await openedFile(store, id, file);
  const { put, get } = await slotFor(file);
  // The own server may have several names; the page may ask the one that it came from.
  const { pathname, search } = new URL(put);
  const request = { method: "PUT", body, headers: { "Content-Type": file.type }, signal };
  const answer = await fetch(`${origin}${pathname}${search}`, request).catch((cause: unknown) => {
    throw new Refusal(signal.aborted ? "cancelled" : "offline", "the file was not taken", { cause });
  });
  if (!answer.ok) throw new Refusal(answer.status === 507 ? "no-room" : "internal", `the server answers ${answer.status}`);
  return get;
}

export function slots(xmpp: Xmpp, self: Self): SlotFor {
  return async ({ name, type, bytes }) => {
    // A path has no folders, and names nobody.
    const filename = name.replaceAll(/[/\\\p{Cc}]/gu, "_") || "file";
    const request = xml("request", { xmlns: NS, filename: filename.slice(-NAME_CHARACTERS_MAX), size: bytes, "content-type": type });
    const answer = await xmpp.iq("get", self.domain, request).catch((error: unknown) => {
      throw error instanceof StanzaRefused && error.name === "resource-constraint" ? new Refusal("no-room", error.message) : error;
    });
    const [put, get] = ["put", "get"].map((way) => answer?.getChild(way)?.attrs["url"]);
    if (put === undefined || get === undefined || !URL.canParse(put)) throw new Refusal("internal", "the server names no place for the file");
    return { put, get };
  };
}

async function openedFile(store: Reader, id: string, { key, bytes, type }: Kept & Pick<FileRef, "type">): Promise<Blob> {
  const cryptoKey = await importKey(key);
  const pieces: BlobPart[] = [];
  for (let index = 0; index < pieceCount(bytes); index++) {
    pieces.push((await openPiece(cryptoKey, bytes, index, await keptPiece(store, id, index))) as BlobPart);
  }
  return new Blob(pieces, { type });
}

const NS = "urn:xmpp:http:upload:0";
/** The server takes 255 bytes. */
const NAME_CHARACTERS_MAX = 60;
