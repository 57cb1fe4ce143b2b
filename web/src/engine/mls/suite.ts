// MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519 (RFC 9420 17.1), and no other.

import { hmac } from "@noble/hashes/hmac.js";
import { expand, extract } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { defaultCryptoProvider, getCiphersuiteFromName, type CiphersuiteImpl } from "ts-mls";

export const SUITE = "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519";

let made: Promise<CiphersuiteImpl> | undefined;

/** The suite's operations. WebCrypto does what has keys; hashes are ours, for a call of WebCrypto
 *  takes longer than the few blocks that they hash, and a commit needs thousands. */
export function suite(): Promise<CiphersuiteImpl> {
  made ??= make();
  return made;
}

async function make(): Promise<CiphersuiteImpl> {
  const impl = await defaultCryptoProvider.getCiphersuiteImpl(getCiphersuiteFromName(SUITE));
  return {
    ...impl,
    hash: {
      digest: async (data) => sha256(data),
      mac: async (key, data) => hmac(sha256, key, data),
      verifyMac: async (key, mac, data) => isEqual(hmac(sha256, key, data), mac),
    },
    kdf: {
      extract: async (salt, ikm) => extract(sha256, ikm, salt),
      expand: async (prk, info, length) => expand(sha256, prk, info, length),
      size: HASH_BYTES,
    },
  };
}

/** Compares in a time that does not say where they differ. */
export function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let at = 0; at < one.length; at++) difference |= one[at]! ^ other[at]!;
  return difference === 0;
}

const HASH_BYTES = 32;
