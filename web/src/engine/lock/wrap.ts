// What wraps the store's key while the app is locked: AES-256-GCM under a key that only the user's secret
// gives, the passphrase by RFC 9106 Argon2id, a passkey's secret (WebAuthn `prf`) by RFC 5869 HKDF.

import type { PasskeyWrap, PassphraseWrap, Wrap } from "../store/keys";

type Bytes = Uint8Array<ArrayBuffer>;

export type Cost = Pick<PassphraseWrap, "memoryKib" | "passes" | "lanes">;

/** RFC 9106 4, the second recommended option: 64 MiB, 3 passes, 4 lanes. Kept with each lock, so that it can
 *  become more. */
export const ARGON2ID: Cost = { memoryKib: 64 << 10, passes: 3, lanes: 4 };

export async function wrapByPassphrase(key: CryptoKey, passphrase: string, cost: Cost): Promise<PassphraseWrap> {
  const how = { ...cost, salt: random(SALT_BYTES) };
  return { ...how, ...(await wrap(key, await argon2(passphrase, how), PASSPHRASE)) };
}

/** @param isExtractable whether what comes out can be wrapped again.
 *  @returns nothing where it is another passphrase. */
export async function unwrapByPassphrase(kept: PassphraseWrap, passphrase: string, isExtractable: boolean): Promise<CryptoKey | undefined> {
  return unwrap(kept, await argon2(passphrase, kept), PASSPHRASE, isExtractable);
}

/** @param id of the passkey
 *  @param salt what its secret was asked for */
export async function wrapByPasskey(key: CryptoKey, { id, salt, secret }: Record<"id" | "salt" | "secret", Uint8Array>): Promise<PasskeyWrap> {
  const how = { id: new Uint8Array(id), salt: new Uint8Array(salt) };
  return { ...how, ...(await wrap(key, await hkdf(secret, how.salt), PASSKEY)) };
}

export async function unwrapByPasskey(kept: PasskeyWrap, secret: Uint8Array, isExtractable: boolean): Promise<CryptoKey | undefined> {
  return unwrap(kept, await hkdf(secret, kept.salt), PASSKEY, isExtractable);
}

/** The same key, in a form that nothing reads out. */
export async function sealedKey(key: CryptoKey): Promise<CryptoKey> {
  const bytes = await crypto.subtle.exportKey("raw", key);
  const made = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
  new Uint8Array(bytes).fill(0);
  return made;
}

async function wrap(key: CryptoKey, by: CryptoKey, purpose: Bytes): Promise<Pick<Wrap, "nonce" | "wrapped">> {
  const nonce = random(NONCE_BYTES);
  const algorithm = { name: "AES-GCM", iv: nonce, additionalData: purpose };
  return { nonce, wrapped: new Uint8Array(await crypto.subtle.wrapKey("raw", key, by, algorithm)) };
}

async function unwrap({ nonce, wrapped }: Wrap, by: CryptoKey, purpose: Bytes, isExtractable: boolean): Promise<CryptoKey | undefined> {
  const algorithm = { name: "AES-GCM", iv: nonce, additionalData: purpose };
  try {
    return await crypto.subtle.unwrapKey("raw", wrapped, by, algorithm, "AES-GCM", isExtractable, ["encrypt", "decrypt"]);
  } catch (error) {
    if (error instanceof Error && error.name === "OperationError") return undefined;
    throw error;
  }
}

async function argon2(passphrase: string, how: Omit<PassphraseWrap, "nonce" | "wrapped">): Promise<CryptoKey> {
  const { argon2id } = await import("hash-wasm");
  const bytes = await argon2id({
    // The same passphrase from another keyboard may be of other code points.
    password: passphrase.normalize("NFKC"),
    salt: how.salt,
    memorySize: how.memoryKib,
    iterations: how.passes,
    parallelism: how.lanes,
    hashLength: KEY_BYTES,
    outputType: "binary",
  });
  return wrappingKey(new Uint8Array(bytes));
}

async function hkdf(secret: Uint8Array, salt: Bytes): Promise<CryptoKey> {
  const base = await crypto.subtle.importKey("raw", new Uint8Array(secret), "HKDF", false, ["deriveBits"]);
  const bits = await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info: PASSKEY }, base, KEY_BYTES * 8);
  return wrappingKey(new Uint8Array(bits));
}

function wrappingKey(bytes: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["wrapKey", "unwrapKey"]);
}

function random(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}

const SALT_BYTES = 16;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const PASSPHRASE = new TextEncoder().encode("whimbrel lock passphrase");
const PASSKEY = new TextEncoder().encode("whimbrel lock passkey");
