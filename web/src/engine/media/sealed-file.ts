// A file as it is uploaded: encrypted piece by piece as the upload asks for it, and hashed on the way.
// An upload that goes back to what the server has gets the same bytes again.

import type { IHasher } from "hash-wasm";
import { importKey, newFileKey, pieceCount, PIECE_BYTES, sealedLength, sealedRange, sealPiece } from "./cipher";
import { newBlake3 } from "./digest";

export class SealedFile {
  readonly key: Uint8Array;
  /** Once it is encrypted. */
  readonly size: number;
  readonly #file: Blob;
  readonly #cryptoKey: CryptoKey;
  readonly #hash: IHasher;
  #hashed = 0;

  static async of(file: Blob): Promise<SealedFile> {
    const key = newFileKey();
    return new SealedFile(file, key, await importKey(key), await newBlake3());
  }

  private constructor(file: Blob, key: Uint8Array, cryptoKey: CryptoKey, hash: IHasher) {
    this.#file = file;
    this.key = key;
    this.#cryptoKey = cryptoKey;
    this.#hash = hash;
    this.size = sealedLength(file.size);
  }

  /** Encrypted bytes from `start` to before `end`. */
  async slice(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const stop = Math.min(end, this.size);
    const pieceBytes = sealedRange(PIECE_BYTES, 0, 1).to;
    const [first, last] = [Math.floor(start / pieceBytes), Math.min(Math.ceil(stop / pieceBytes), pieceCount(this.#file.size)) - 1];
    const slice = new Uint8Array(Math.max(0, stop - start));
    for (let index = first; index <= last; index++) {
      const sealed = await this.#piece(index);
      const at = index * pieceBytes;
      const part = sealed.subarray(Math.max(0, start - at), Math.max(0, stop - at));
      slice.set(part, Math.max(at, start) - start);
    }
    return slice;
  }

  /** BLAKE3 of all encrypted bytes, in hexadecimal digits. All must have been read. */
  digest(): string {
    if (this.#hashed < pieceCount(this.#file.size)) throw new Error("the file is not read to its end");
    return this.#hash.digest("hex");
  }

  async #piece(index: number): Promise<Uint8Array> {
    const piece = await this.#file.slice(index * PIECE_BYTES, (index + 1) * PIECE_BYTES).arrayBuffer();
    const sealed = await sealPiece(this.#cryptoKey, this.#file.size, index, piece);
    if (index === this.#hashed) {
      this.#hash.update(sealed);
      this.#hashed++;
    }
    return sealed;
  }
}
