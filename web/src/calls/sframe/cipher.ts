// RFC 9605 4.4: frames are sealed by AES_256_GCM_SHA512_128, with a key for each key id.

import { encodeHeader, type Header } from "./header";

export interface FrameKey {
  key: CryptoKey;
  salt: Uint8Array;
}

/** RFC 9605 4.4.2. */
export async function deriveKey(baseKey: Uint8Array<ArrayBuffer>, kid: bigint): Promise<FrameKey> {
  const base = await crypto.subtle.importKey("raw", baseKey, "HKDF", false, ["deriveBits"]);
  const derive = (what: string, bits: number) =>
    crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-512", salt: new Uint8Array(), info: label(what, kid) }, base, bits);
  const [secret, salt] = await Promise.all([derive("key", KEY_BITS), derive("salt", NONCE_BITS)]);
  const key = await crypto.subtle.importKey("raw", secret, "AES-GCM", false, ["encrypt", "decrypt"]);
  return { key, salt: new Uint8Array(salt) };
}

/** @param clear what stands before the frame and is authenticated with it
 *  @returns header, ciphertext and tag */
export async function sealFrame(
  { key, salt }: FrameKey,
  kid: bigint,
  counter: bigint,
  clear: Uint8Array,
  plain: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const header = encodeHeader(kid, counter);
  const sealed = await crypto.subtle.encrypt(parameters(salt, counter, header, clear), key, plain);
  return joined(header, new Uint8Array(sealed));
}

/** @throws {Error} where the frame is not what its sender sealed */
export async function openFrame(
  { key, salt }: FrameKey,
  { counter, length }: Header,
  clear: Uint8Array,
  sealed: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = parameters(salt, counter, sealed.subarray(0, length), clear);
  return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, sealed.subarray(length)));
}

function parameters(salt: Uint8Array, counter: bigint, header: Uint8Array, clear: Uint8Array): AesGcmParams {
  return { name: "AES-GCM", iv: nonceOf(salt, counter), additionalData: joined(header, clear) };
}

function nonceOf(salt: Uint8Array, counter: bigint): Uint8Array<ArrayBuffer> {
  const nonce = new Uint8Array(salt);
  const view = new DataView(nonce.buffer);
  const at = nonce.length - 8;
  view.setBigUint64(at, view.getBigUint64(at) ^ counter);
  return nonce;
}

function label(what: string, kid: bigint): Uint8Array<ArrayBuffer> {
  const tail = new DataView(new ArrayBuffer(10));
  tail.setBigUint64(0, kid);
  tail.setUint16(8, CIPHER_SUITE);
  return joined(new TextEncoder().encode(`SFrame 1.0 Secret ${what} `), new Uint8Array(tail.buffer));
}

export function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

const CIPHER_SUITE = 5;
const KEY_BITS = 256;
const NONCE_BITS = 96;
