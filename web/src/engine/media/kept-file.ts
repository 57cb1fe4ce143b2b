// A file that waits to be uploaded, kept encrypted in the store, so that the upload outlasts a reload, a
// crash and a time without a network. What the user chose may be gone by then.

import type { Batch, Reader, Store } from "../store/store";
import { PIECE_BYTES, sealedLength, TAG_BYTES } from "./cipher";
import type { UploadSource } from "./upload";

/** What is known of a file once it is encrypted. */
export interface Kept {
  /** BLAKE3 of the ciphertext, in hexadecimal digits. */
  digest: string;
  key: Uint8Array;
  /** Of the plaintext. */
  bytes: number;
}

/** Somebody answers for the file now. */
export function settled(batch: Batch, id: string): void {
  batch.delete("files", trialKey(id));
}

/** Removes a file. */
export function dropFile(batch: Batch, id: string): void {
  batch.deleteRange("files", { prefix: [RUN, id] });
  batch.delete("files", trialKey(id));
}

/** What a crash has left half encrypted. */
export async function forgetTrials(store: Store): Promise<void> {
  const batch = store.batch();
  for (const { key } of await store.range("files", { prefix: [TRIAL] })) dropFile(batch, (key as string[])[1]!);
  await batch.commit();
}

/** One of a kept file's pieces. @throws Error where it is not there */
export async function keptPiece(store: Reader, id: string, index: number): Promise<ArrayBuffer> {
  const run = await keptRun(store, id, Math.floor(index / RUN_PIECES));
  const at = (index % RUN_PIECES) * SEALED_PIECE_BYTES;
  return run.slice(at, at + SEALED_PIECE_BYTES).arrayBuffer();
}

/** @throws Error where it is not there */
export async function keptRun(store: Reader, id: string, index: number): Promise<Blob> {
  const run = await store.get<Blob>("files", runKey(id, index));
  if (!run) throw new Error(`run ${index} of the file is not there`);
  return run;
}

/** The file as it is uploaded. */
export class KeptFile implements UploadSource {
  readonly size: number;
  readonly #store: Reader;
  readonly #id: string;
  readonly #digest: string;

  constructor(store: Reader, id: string, { digest, bytes }: Pick<Kept, "digest" | "bytes">) {
    this.#store = store;
    this.#id = id;
    this.#digest = digest;
    this.size = sealedLength(bytes);
  }

  digest(): string {
    return this.#digest;
  }

  slice(start: number, end: number): Promise<Blob> {
    return sliceOf((index) => keptRun(this.#store, this.#id, index), start, Math.min(end, this.size));
  }
}

/** Encrypted bytes from `start` to before `end`, of a file by its runs. */
export async function sliceOf(runAt: (index: number) => Promise<Blob> | Blob, start: number, end: number): Promise<Blob> {
  const parts: Blob[] = [];
  for (let index = Math.floor(start / RUN_BYTES); index * RUN_BYTES < end; index++) {
    const at = index * RUN_BYTES;
    parts.push((await runAt(index)).slice(Math.max(0, start - at), Math.max(0, end - at)));
  }
  return new Blob(parts);
}

export function runKey(id: string, index: number): [string, string, number] {
  return [RUN, id, index];
}

/** Of a file that nobody answers for yet. */
export function trialKey(id: string): [string, string] {
  return [TRIAL, id];
}

/** A row of the store: each waits for the disk. */
export const RUN_PIECES = 8;
const SEALED_PIECE_BYTES = PIECE_BYTES + TAG_BYTES;
export const RUN_BYTES = RUN_PIECES * SEALED_PIECE_BYTES;
const RUN = "run";
const TRIAL = "trial";
