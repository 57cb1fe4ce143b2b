// A file on its way into the store: read, encrypted, hashed and written, each while the next is done with what
// comes behind; and uploaded meanwhile.

import type { Store } from "../store/store";
import { importKey, newFileKey, pieceCount, PIECE_BYTES, sealedLength, sealPiece } from "./cipher";
import { newBlake3 } from "./digest";
import { dropFile, keptRun, RUN_BYTES, RUN_PIECES, runKey, sliceOf, trialKey, type Kept } from "./kept-file";
import type { UploadSource } from "./upload";

/** Encrypts a file into the store. Until it is `settled` it is on trial: `forgetTrials`. */
export class Keeping implements UploadSource {
  /** Once it is encrypted. */
  readonly size: number;
  /** Once all of it is on disk. Rejects with {@link StoreFull} where there is no room; nothing of it stays. */
  readonly kept: Promise<Kept>;
  readonly #store: Store;
  readonly #id: string;
  readonly #file: Blob;
  /** Those that are not on disk, and those that an upload is about to ask for. */
  readonly #runs = new Map<number, Blob>();
  #sealedCount = 0;
  #digest: string | undefined;
  #hear: () => void = () => undefined;

  constructor(store: Store, id: string, file: Blob) {
    this.#store = store;
    this.#id = id;
    this.#file = file;
    this.size = sealedLength(file.size);
    this.kept = this.#keep();
  }

  /** BLAKE3 of all encrypted bytes, in hexadecimal digits. */
  digest(): string {
    if (this.#digest === undefined) throw new Error("the file is not encrypted to its end");
    return this.#digest;
  }

  /** What there is of encrypted bytes from `start` to before `end`; where there is nothing yet, it is waited for. */
  async slice(start: number, end: number): Promise<Blob> {
    const stop = Math.min(this.size, end);
    const sealed = () => Math.min(stop, this.#sealedCount * RUN_BYTES);
    while (start < stop && sealed() <= start) await Promise.race([this.kept, new Promise<void>((hear) => (this.#hear = hear))]);
    return sliceOf((index) => this.#runs.get(index) ?? keptRun(this.#store, this.#id, index), start, sealed());
  }

  async #keep(): Promise<Kept> {
    const key = newFileKey();
    let written = this.#store.batch().put("files", trialKey(this.#id), true).commit();
    try {
      const [cryptoKey, hash] = await Promise.all([importKey(key), newBlake3(), written]);
      const { size } = this.#file;
      let read = this.#read(0);
      for (let first = 0; first < pieceCount(size); first += RUN_PIECES) {
        const pieces = await read;
        read = this.#read(first + RUN_PIECES);
        const sealed = await Promise.all(pieces.map((piece, at) => sealPiece(cryptoKey, size, first + at, piece)));
        for (const piece of sealed) hash.update(piece);
        const run = new Blob(sealed as BlobPart[]);
        this.#hold(run);
        await written;
        written = this.#write(first / RUN_PIECES, run);
        // What fails meanwhile is heard of where it is waited for.
        written.catch(() => undefined);
      }
      this.#digest = hash.digest("hex");
      await written;
      return { digest: this.#digest, key, bytes: size };
    } catch (error) {
      await written.catch(() => undefined);
      const batch = this.#store.batch();
      dropFile(batch, this.#id);
      await batch.commit().catch(() => undefined);
      throw error;
    }
  }

  /** The pieces of a run; none behind the last one. */
  #read(first: number): Promise<Uint8Array<ArrayBuffer>[]> {
    const count = Math.max(0, Math.min(RUN_PIECES, pieceCount(this.#file.size) - first));
    const read = this.#file.slice(first * PIECE_BYTES, (first + count) * PIECE_BYTES).arrayBuffer().then((bytes) =>
      Array.from({ length: count }, (_, at) => new Uint8Array(bytes, at * PIECE_BYTES, Math.min(PIECE_BYTES, bytes.byteLength - at * PIECE_BYTES))),
    );
    read.catch(() => undefined);
    return read;
  }

  #hold(run: Blob): void {
    this.#runs.set(this.#sealedCount++, run);
    this.#hear();
  }

  async #write(index: number, run: Blob): Promise<void> {
    await this.#store.batch().put("files", runKey(this.#id, index), run).commit();
    // An upload that is slower than the disk reads from there.
    this.#runs.delete(index - RUNS_HELD);
  }
}

const RUNS_HELD = 6;
