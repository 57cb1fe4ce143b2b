// A backup on this server: an object of the account's that the server knows to be its backup.

import type { AccountApi } from "../account/api";
import { newBlake3 } from "../media/digest";
import { FileUpload, type UploadPlace, type UploadSource } from "../media/upload";
import { Refusal } from "../refusal";

/** Uploads it; the one before is let go once this one is whole. @returns its name. @throws Refusal */
export async function leave(
  file: Blob, api: Pick<AccountApi, "setBackup">, uploads: UploadPlace, nowMs: number, progress: (fraction: number) => void,
): Promise<string> {
  const digest = await digestOf(file);
  const source: UploadSource = {
    size: file.size,
    slice: async (start, end) => new Uint8Array(await file.slice(start, end).arrayBuffer()),
    digest: () => digest,
  };
  // Until the server knows what it is: what is left behind by a crash goes by itself.
  const place = { ...uploads, token: (bytes: number) => uploads.token(bytes, Math.floor(nowMs / 1000) + BEGUN_S) };
  await new FileUpload(source, place, (sent) => progress(sent / file.size)).run();
  await api.setBackup(digest);
  return digest;
}

/** @throws Refusal `offline`, `not-found` */
export async function fetchBackup(origin: string, digest: string): Promise<Blob> {
  const answer = await fetch(`${origin}/media/${digest}`).catch((cause: unknown) => {
    throw new Refusal("offline", "the server cannot be reached", { cause });
  });
  if (!answer.ok) throw new Refusal("not-found", `the server answers ${answer.status}`);
  return answer.blob().catch((cause: unknown) => {
    throw new Refusal("offline", "the server went away", { cause });
  });
}

async function digestOf(file: Blob): Promise<string> {
  const hash = await newBlake3();
  for (let at = 0; at < file.size; at += HASHED_BYTES) {
    hash.update(new Uint8Array(await file.slice(at, at + HASHED_BYTES).arrayBuffer()));
  }
  return hash.digest("hex");
}

const BEGUN_S = 86_400;
const HASHED_BYTES = 1 << 20;
