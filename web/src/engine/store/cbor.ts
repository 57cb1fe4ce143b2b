// CBOR (RFC 8949), the part that the store needs: what can be cloned and holds no file, function or class.
// Maps have text keys; a property that is undefined is left out. Decoding has limits, since a disk can
// give back anything.

/** What can be kept: plain objects, arrays, bytes, text, numbers, bigints of 64 bits, booleans, null. */
export type Value = undefined | null | boolean | number | bigint | string | Uint8Array | Value[] | { [key: string]: Value };

/** @throws {CborError} for what is no {@link Value}. */
export function encode(value: unknown): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.value(value, 0);
  return writer.bytes();
}

/** @throws {CborError} where the bytes are not one whole value. */
export function decode(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (!reader.isAtEnd()) throw new CborError("bytes follow the value");
  return value;
}

export class CborError extends Error {
  override name = "CborError";
}

class Writer {
  #buffer = new Uint8Array(256);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.slice(0, this.#length);
  }

  value(value: unknown, depth: number): void {
    if (depth > DEPTH_MAX) throw new CborError(`deeper than ${DEPTH_MAX} levels`);
    switch (typeof value) {
      case "undefined":
        return this.#byte(UNDEFINED);
      case "boolean":
        return this.#byte(value ? TRUE : FALSE);
      case "number":
        return this.#number(value);
      case "bigint":
        return this.#bigint(value);
      case "string":
        return this.#chunk(Major.Text, new TextEncoder().encode(value));
      case "object":
        return this.#object(value, depth);
      default:
        throw new CborError(`a ${typeof value} cannot be kept`);
    }
  }

  #object(value: object | null, depth: number): void {
    if (value === null) return this.#byte(NULL);
    if (value instanceof Uint8Array) return this.#chunk(Major.Bytes, value);
    if (Array.isArray(value)) {
      this.#head(Major.Array, BigInt(value.length));
      for (const item of value) this.value(item, depth + 1);
      return;
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw new CborError(`a ${value.constructor.name} cannot be kept`);
    }
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    this.#head(Major.Map, BigInt(entries.length));
    for (const [key, item] of entries) {
      this.#chunk(Major.Text, new TextEncoder().encode(key));
      this.value(item, depth + 1);
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value >= 0) this.#head(Major.Unsigned, BigInt(value));
      else this.#head(Major.Negative, BigInt(-1 - value));
      return;
    }
    this.#byte(FLOAT64);
    const at = this.#reserve(8);
    this.#view.setFloat64(at, value);
  }

  // Bigints carry the tags of big numbers, so that they come back as what they were.
  #bigint(value: bigint): void {
    const magnitude = value >= 0n ? value : -1n - value;
    if (magnitude >= 1n << 64n) throw new CborError("a bigint of more than 64 bits");
    this.#head(Major.Tag, value >= 0n ? TAG_BIGNUM : TAG_NEGATIVE_BIGNUM);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, magnitude);
    this.#chunk(Major.Bytes, bytes);
  }

  #chunk(major: Major, bytes: Uint8Array): void {
    this.#head(major, BigInt(bytes.length));
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  #head(major: Major, argument: bigint): void {
    if (argument < 24n) return this.#byte((major << 5) | Number(argument));
    if (argument < 0x100n) {
      this.#byte((major << 5) | 24);
      return this.#byte(Number(argument));
    }
    if (argument < 0x1_0000_0000n) {
      this.#byte((major << 5) | 26);
      const at = this.#reserve(4);
      return this.#view.setUint32(at, Number(argument));
    }
    this.#byte((major << 5) | 27);
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, argument);
  }

  #byte(byte: number): void {
    const at = this.#reserve(1);
    this.#buffer[at] = byte;
  }

  #reserve(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      larger.set(this.#buffer);
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = needed;
    return at;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depth: number): unknown {
    if (depth > DEPTH_MAX) throw new CborError(`deeper than ${DEPTH_MAX} levels`);
    const initial = this.#byte();
    if (initial === FLOAT64) return this.#view.getFloat64(this.#take(8));
    const major: Major = initial >> 5;
    if (major === Major.Simple) return simple(initial);
    const argument = this.#argument(initial & 31);
    switch (major) {
      case Major.Unsigned:
        return argument;
      case Major.Negative:
        return -1 - argument;
      case Major.Bytes:
        return this.#chunk(argument).slice();
      case Major.Text:
        return this.#text(argument);
      case Major.Array:
        return this.#array(argument, depth);
      case Major.Map:
        return this.#map(argument, depth);
      case Major.Tag:
        return this.#bigint(BigInt(argument), depth);
    }
  }

  #array(length: number, depth: number): unknown[] {
    this.#expect(length);
    const items: unknown[] = [];
    for (let n = 0; n < length; n++) items.push(this.value(depth + 1));
    return items;
  }

  #map(length: number, depth: number): Record<string, unknown> {
    this.#expect(length);
    const entries: [string, unknown][] = [];
    for (let n = 0; n < length; n++) {
      const key = this.value(depth + 1);
      if (typeof key !== "string") throw new CborError("a key is no text");
      entries.push([key, this.value(depth + 1)]);
    }
    // Not by assignment: `__proto__` is a key like others.
    return Object.fromEntries(entries);
  }

  #bigint(tag: bigint, depth: number): bigint {
    const bytes = this.value(depth + 1);
    if (!(bytes instanceof Uint8Array) || bytes.length !== 8) throw new CborError("a big number of another length");
    const magnitude = new DataView(bytes.buffer).getBigUint64(0);
    if (tag === TAG_BIGNUM) return magnitude;
    if (tag === TAG_NEGATIVE_BIGNUM) return -1n - magnitude;
    throw new CborError(`tag ${tag}`);
  }

  #text(length: number): string {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.#chunk(length));
    } catch {
      throw new CborError("text that is not UTF-8");
    }
  }

  #argument(info: number): number {
    if (info < 24) return info;
    if (info === 24) return this.#byte();
    if (info === 25) return this.#view.getUint16(this.#take(2));
    if (info === 26) return this.#view.getUint32(this.#take(4));
    if (info !== 27) throw new CborError(`a length of kind ${info}`);
    const argument = this.#view.getBigUint64(this.#take(8));
    if (argument > BigInt(Number.MAX_SAFE_INTEGER)) throw new CborError(`the number ${argument}`);
    return Number(argument);
  }

  #chunk(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  // Each item has a byte at least: what claims more than is left is refused before room is made for it.
  #expect(count: number): void {
    if (count > this.#bytes.length - this.#at) throw new CborError("cut short");
  }

  #byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  #take(count: number): number {
    this.#expect(count);
    const at = this.#at;
    this.#at += count;
    return at;
  }
}

function simple(initial: number): unknown {
  switch (initial) {
    case FALSE:
      return false;
    case TRUE:
      return true;
    case NULL:
      return null;
    case UNDEFINED:
      return undefined;
    default:
      throw new CborError(`the value 0x${initial.toString(16)}`);
  }
}

/** RFC 8949 3.1. */
const enum Major {
  Unsigned,
  Negative,
  Bytes,
  Text,
  Array,
  Map,
  Tag,
  Simple,
}
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const UNDEFINED = 0xf7;
const FLOAT64 = 0xfb;
const TAG_BIGNUM = 2n;
const TAG_NEGATIVE_BIGNUM = 3n;
const DEPTH_MAX = 64;
