// Bytes written and read one after the other; numbers are big-endian.

import { MlsError } from "./types";

export class Writer {
  private parts: Uint8Array[] = [];

  bytes(bytes: Uint8Array): this {
    this.parts.push(bytes);
    return this;
  }

  uint(length: number, number: number | bigint): this {
    const bytes = new Uint8Array(length);
    let rest = BigInt(number);
    for (let at = length - 1; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 255n);
    return this.bytes(bytes);
  }

  /** With their length, of four bytes, before them. */
  counted(bytes: Uint8Array): this {
    return this.uint(4, bytes.length).bytes(bytes);
  }

  done(): Uint8Array {
    return concat(...this.parts);
  }
}

export class Reader {
  private at = 0;

  /** @param what is read, for the error */
  constructor(private readonly whole: Uint8Array, private readonly what: string) {}

  bytes(length: number): Uint8Array {
    if (this.at + length > this.whole.length) throw this.malformed();
    this.at += length;
    return this.whole.slice(this.at - length, this.at);
  }

  bigUint(): bigint {
    return this.bytes(8).reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
  }

  uint(length: number): number {
    let number = 0;
    for (const byte of this.bytes(length)) number = number * 256 + byte;
    if (!Number.isSafeInteger(number)) throw this.malformed();
    return number;
  }

  counted(): Uint8Array {
    return this.bytes(this.uint(4));
  }

  isDone(): boolean {
    return this.at === this.whole.length;
  }

  malformed(): MlsError {
    return new MlsError("malformed", `this is no ${this.what}`);
  }
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function text(words: string): Uint8Array {
  return new TextEncoder().encode(words);
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
