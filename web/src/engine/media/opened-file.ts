// A file as it is read: any part of it, decrypted as it comes. Used by the service worker, and by a page that
// has none.

import { importKey, openPiece, PIECE_BYTES, sealedPieceLength, sealedRange } from "./cipher";

/** Where a file is, and what opens it. */
export interface SealedAt {
  digest: string;
  key: Uint8Array;
  /** Of the plaintext. */
  bytes: number;
  type: string;
  name: string;
}

/** Bytes from `start` to before `end`. A piece that is not what it should be ends the stream with an error.
 *  @throws Error where the server does not have it */
export async function openedStream(file: SealedAt, start: number, end: number): Promise<ReadableStream<Uint8Array>> {
  const key = await importKey(file.key);
  const range = sealedRange(file.bytes, start, end);
  const abort = new AbortController();
  const headers = { Range: `bytes=${range.from}-${range.to - 1}` };
  const answer = await fetch(`/media/${file.digest}`, { headers, signal: abort.signal });
  const isPart = answer.status === 206;
  if (!answer.body || (!isPart && answer.status !== 200)) throw new Error(`the server answers ${answer.status}`);
  const reader = new ExactReader(answer.body.getReader());
  if (!isPart) await reader.read(range.from);
  let index = range.first;
  return new ReadableStream(
    {
      async pull(controller) {
        const sealed = await reader.read(sealedPieceLength(file.bytes, index));
        const piece = await openPiece(key, file.bytes, index, sealed);
        const at = index * PIECE_BYTES;
        const wanted = piece.subarray(Math.max(0, start - at), Math.max(0, end - at));
        if (wanted.length > 0) controller.enqueue(wanted);
        if (++index <= range.last) return;
        controller.close();
        abort.abort();
      },
      cancel: () => abort.abort(),
    },
    { highWaterMark: 0 },
  );
}

/** Reads so many bytes as are wanted, whatever the network's pieces are. */
class ExactReader {
  #rest = new Uint8Array();
  constructor(private readonly reader: ReadableStreamDefaultReader<Uint8Array>) {}

  async read(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const whole = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      if (this.#rest.length === 0) {
        const { value, done } = await this.reader.read();
        if (done) throw new Error("the file is shorter than it should be");
        this.#rest = new Uint8Array(value);
      }
      const part = this.#rest.subarray(0, length - at);
      whole.set(part, at);
      this.#rest = this.#rest.subarray(part.length);
      at += part.length;
    }
    return whole;
  }
}
