// A file that waits to be uploaded, kept encrypted in the store, so that the upload outlasts a reload, a
// crash and a time without a network. What the user chose may be gone by then.

import { createBLAKE3 } from "hash-wasm";
import type { Batch, Reader, Store } from "../store/store";
import { importKey, newFileKey, pieceCount, PIECE_BYTES, sealedLength, sealPiece, TAG_BYTES } from "./cipher";
import type { UploadSource } from "./upload";

/** What is known of a file once it is encrypted. */
export interface Kept {
  /** BLAKE3 of the ciphertext, in hexadecimal digits. */
  digest: string;
  key: Uint8Array;
  /** Of the plaintext. */
  bytes: number;
}

/** Encrypts a file into the store. Until {@link settled} it is on trial: {@link forgetTrials}.
 *  @throws {StoreFull} where there is no room; nothing of it stays. */
export async function keepFile(store: Store, id: string, file: Blob): Promise<Kept> {
  const key = newFileKey();
  const hash = (await createBLAKE3()).init();
  const cryptoKey = await importKey(key);
  await store.batch().put("files", [TRIAL, id], true).commit();
  try {
    const count = pieceCount(file.size);
    for (let first = 0; first < count; first += PIECES_AT_ONCE) {
      const batch = store.batch();
      for (let index = first; index < Math.min(first + PIECES_AT_ONCE, count); index++) {
        const piece = await file.slice(index * PIECE_BYTES, (index + 1) * PIECE_BYTES).arrayBuffer();
        const sealed = await sealPiece(cryptoKey, file.size, index, piece);
        hash.update(sealed);
        batch.put("files", [PIECE, id, index], sealed);
      }
      await batch.commit();
    }
  } catch (error) {
    const batch = store.batch();
    dropFile(batch, id);
    await batch.commit().catch(() => undefined);
    throw error;
  }
  return { digest: hash.digest("hex"), key, bytes: file.size };
}

/** Somebody answers for the file now. */
export function settled(batch: Batch, id: string): void {
  batch.delete("files", [TRIAL, id]);
}

/** Removes a file. */
export function dropFile(batch: Batch, id: string): void {
  batch.deleteRange("files", { prefix: [PIECE, id] });
  batch.delete("files", [TRIAL, id]);
}

/** What a crash has left half encrypted. */
export async function forgetTrials(store: Store): Promise<void> {
  const batch = store.batch();
  for (const { key } of await store.range("files", { prefix: [TRIAL] })) dropFile(batch, (key as string[])[1]!);
  await batch.commit();
}

/** @throws Error where it is not there */
export async function keptPiece(store: Reader, id: string, index: number): Promise<Uint8Array> {
  const piece = await store.get<Uint8Array>("files", [PIECE, id, index]);
  if (!piece) throw new Error(`piece ${index} of the file is not there`);
  return piece;
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

  async slice(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const stop = Math.min(end, this.size);
    const slice = new Uint8Array(Math.max(0, stop - start));
    for (let index = Math.floor(start / SEALED_PIECE_BYTES); index * SEALED_PIECE_BYTES < stop; index++) {
      const piece = await keptPiece(this.#store, this.#id, index);
      const at = index * SEALED_PIECE_BYTES;
      slice.set(piece.subarray(Math.max(0, start - at), Math.max(0, stop - at)), Math.max(at, start) - start);
    }
    return slice;
  }
}

const PIECE = "piece";
const TRIAL = "trial";
const SEALED_PIECE_BYTES = PIECE_BYTES + TAG_BYTES;
/** In one batch: each waits for the disk. */
const PIECES_AT_ONCE = 8;
