// A portion on its way: an encrypted object in the media store, whose place and key only the device that it
// is for can open (docs/protocol/envelope.md, "History").

import { decode, encode } from "../store/cbor";
import { Fields } from "../content/fields";
import { readFile } from "../content/contents";
import { openedStream } from "../media/opened-file";
import { SealedFile } from "../media/sealed-file";
import { FileUpload, type UploadPlace } from "../media/upload";
import { openWith, sealTo, type HpkeKey, type HpkeSealed } from "../mls";
import type { FileRef } from "../protocol";
import type { Portion } from "./portions";

/** What is sealed for the device. */
export interface Parcel {
  file: FileRef;
  /** Messages up to this portion, and of all. */
  done: number;
  total: number;
  isLast: boolean;
}

/** Encrypts and uploads. @returns where it is. @throws Refusal */
export async function leave(portion: Portion, uploads: UploadPlace, nowMs: number): Promise<FileRef> {
  const bytes = encode(portion);
  const sealed = await SealedFile.of(new Blob([bytes]));
  const expires = Math.floor(nowMs / 1000) + KEPT_S;
  const place = { ...uploads, token: (bytes: number) => uploads.token(bytes, expires) };
  const digest = await new FileUpload(sealed, place, () => undefined).run();
  return { digest, key: sealed.key, bytes: bytes.length, type: "application/cbor", name: "" };
}

/** @throws Error where the server does not have it, or it is none. */
export async function fetchPortion({ file }: Parcel): Promise<Portion> {
  const opened = await new Response(await openedStream(file, 0, file.bytes)).arrayBuffer();
  const portion = decode(new Uint8Array(opened)) as Portion;
  if (typeof portion?.v !== "number" || !Array.isArray(portion.chats)) throw new TypeError("this is no portion of a history");
  return portion;
}

export function sealParcel(parcel: Parcel, key: Uint8Array, device: string): Promise<HpkeSealed> {
  return sealTo(key, encode(parcel), infoFor(device));
}

/** @throws MlsError where it is not for this key, FieldError where it is nonsense. */
export async function openParcel(key: HpkeKey, sealed: HpkeSealed, device: string): Promise<Parcel> {
  const fields = new Fields(decode(await openWith(key, sealed, infoFor(device))), "parcel");
  return {
    file: readFile(fields.map("file")),
    done: fields.integer("done", 0, Number.MAX_SAFE_INTEGER),
    total: fields.integer("total", 0, Number.MAX_SAFE_INTEGER),
    isLast: fields.flag("isLast"),
  };
}

function infoFor(device: string): string {
  return `whimbrel history 1\0${device}`;
}

/** How long the server keeps a portion, and its message: seven days. */
export const KEPT_S = 7 * 86_400;
