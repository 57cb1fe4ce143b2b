// A backup as a file (docs/protocol/backup.md, "Form"): a head that anybody reads, and sealed pieces.

import { Fields } from "../content/fields";
import { Refusal } from "../refusal";
import { decode, encode } from "../store/cbor";
import { derive, random, readWrap, SALT_BYTES, type Wrap } from "./keys";

export interface Head {
  account: string;
  /** Milliseconds since 1970. */
  made: number;
  salt: Uint8Array;
  wraps: Wrap[];
}

/** Writes one, piece by piece: what is sealed the browser may keep on disk. */
export class Writing {
  readonly #parts: Blob[];
  readonly #key: CryptoKey;
  readonly #bound: ArrayBuffer;
  #count = 0;

  static async begin(about: Omit<Head, "salt">, root: Uint8Array): Promise<Writing> {
    const head: Head = { ...about, salt: random(SALT_BYTES) };
    const bytes = encode(head);
    const beginning = await new Blob([MAGIC, length(bytes), bytes]).arrayBuffer();
    const key = await derive(root, head.salt, INFO, ["encrypt"]);
    return new Writing(new Blob([beginning]), key, await crypto.subtle.digest("SHA-256", beginning));
  }

  private constructor(beginning: Blob, key: CryptoKey, bound: ArrayBuffer) {
    this.#parts = [beginning];
    this.#key = key;
    this.#bound = bound;
  }

  async add(piece: Uint8Array<ArrayBuffer>, isLast: boolean): Promise<void> {
    const sealed = new Uint8Array(await crypto.subtle.encrypt(how(this.#count++, isLast, this.#bound), this.#key, piece));
    this.#parts.push(new Blob([length(sealed), sealed]));
  }

  end(): Blob {
    return new Blob(this.#parts, { type: "application/octet-stream" });
  }
}

/** Reads one. All that is wrong with it is a refusal: `backup-broken`. */
export class Opening {
  readonly head: Head;
  readonly #file: Blob;
  readonly #begins: number;

  static async of(file: Blob): Promise<Opening> {
    const start = await bytesOf(file, 0, MAGIC.length + LENGTH_BYTES);
    const headBytes = lengthAt(start, MAGIC.length);
    if (MAGIC.some((byte, at) => start[at] !== byte) || headBytes > HEAD_BYTES_MAX) throw broken();
    try {
      const fields = new Fields(decode(await bytesOf(file, start.length, start.length + headBytes)), "head");
      const head = {
        account: fields.account("account"),
        made: fields.integer("made", 0, Number.MAX_SAFE_INTEGER),
        salt: fields.bytes("salt", SALT_BYTES, SALT_BYTES),
        wraps: fields.list("wraps", 1, WRAPS_MAX, readWrap),
      };
      return new Opening(file, head, start.length + headBytes);
    } catch (cause) {
      throw cause instanceof Refusal ? cause : broken(cause);
    }
  }

  private constructor(file: Blob, head: Head, begins: number) {
    this.#file = file;
    this.head = head;
    this.#begins = begins;
  }

  /** Its pieces, each with how much of the file is read then, from 0 to 1. */
  async *pieces(root: Uint8Array): AsyncGenerator<{ piece: unknown; fraction: number }> {
    const key = await derive(root, this.head.salt, INFO, ["decrypt"]);
    const bound = await crypto.subtle.digest("SHA-256", await bytesOf(this.#file, 0, this.#begins));
    const { size } = this.#file;
    for (let [at, number] = [this.#begins, 0]; number === 0 || at < size; number++) {
      const begins = at + LENGTH_BYTES;
      const bytes = lengthAt(await bytesOf(this.#file, at, begins), 0);
      if (bytes > PIECE_BYTES_MAX) throw broken();
      at = begins + bytes;
      const sealed = await bytesOf(this.#file, begins, at);
      try {
        const opened = await crypto.subtle.decrypt(how(number, at === size, bound), key, sealed);
        yield { piece: decode(new Uint8Array(opened)), fraction: at / size };
      } catch (cause) {
        throw cause instanceof DOMException || cause instanceof RangeError ? broken(cause) : cause;
      }
    }
  }
}

// It cannot be moved, left out, or taken from another backup.
function how(number: number, isLast: boolean, bound: ArrayBuffer): AesGcmParams {
  const iv = new Uint8Array(12);
  const view = new DataView(iv.buffer);
  view.setUint32(7, number);
  view.setUint8(11, isLast ? 1 : 0);
  return { name: "AES-GCM", iv, additionalData: bound };
}

async function bytesOf(file: Blob, from: number, to: number): Promise<Uint8Array<ArrayBuffer>> {
  if (to > file.size) throw broken();
  return new Uint8Array(await file.slice(from, to).arrayBuffer());
}

function length(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const written = new Uint8Array(LENGTH_BYTES);
  new DataView(written.buffer).setUint32(0, bytes.length);
  return written;
}

function lengthAt(bytes: Uint8Array<ArrayBuffer>, at: number): number {
  return new DataView(bytes.buffer).getUint32(at);
}

function broken(cause?: unknown): Refusal {
  return new Refusal("backup-broken", "this is no whole backup", { cause });
}

const MAGIC = new TextEncoder().encode("whimbrel backup 1\n");
const INFO = "whimbrel backup pieces 1";
const LENGTH_BYTES = 4;
const HEAD_BYTES_MAX = 65_536;
const PIECE_BYTES_MAX = 16 << 20;
const WRAPS_MAX = 2;
