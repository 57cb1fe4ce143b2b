// RFC 9605 4.3: the header that says by which key a frame is sealed, and its counter.

export interface Header {
  kid: bigint;
  counter: bigint;
  /** Of the header itself, in bytes. */
  length: number;
}

export function encodeHeader(kid: bigint, counter: bigint): Uint8Array<ArrayBuffer> {
  const [kidBytes, counterBytes] = [kid < SHORT ? [] : bytesOf(kid), counter < SHORT ? [] : bytesOf(counter)];
  const config = (field(kid, kidBytes.length) << 4) | field(counter, counterBytes.length);
  return Uint8Array.of(config, ...kidBytes, ...counterBytes);
}

/** @returns nothing where the bytes end too early */
export function decodeHeader(bytes: Uint8Array): Header | undefined {
  const config = bytes[0];
  if (config === undefined) return undefined;
  const kid = read(bytes, 1, config >> 4);
  const counter = kid && read(bytes, kid.end, config & 0xf);
  return counter && { kid: kid.value, counter: counter.value, length: counter.end };
}

// A bit for "it follows", and three for its length less one, or for the value itself.
function field(value: bigint, length: number): number {
  return length === 0 ? Number(value) : 0x8 | (length - 1);
}

function bytesOf(value: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.unshift(Number(rest & 0xffn));
  return bytes;
}

function read(bytes: Uint8Array, start: number, field: number): { value: bigint; end: number } | undefined {
  if (field < SHORT) return { value: BigInt(field), end: start };
  const end = start + (field & 0x7) + 1;
  if (end > bytes.length) return undefined;
  let value = 0n;
  for (const byte of bytes.subarray(start, end)) value = (value << 8n) | BigInt(byte);
  return { value, end };
}

/** Smaller values stand in the first byte. */
const SHORT = 8;
