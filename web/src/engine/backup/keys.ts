// What opens a backup (docs/protocol/backup.md, "Keys"): a root key drawn at random, sealed under 64 digits
// that the user keeps, or under what a password opens at the server.

import { Fields } from "../content/fields";
import { Refusal } from "../refusal";

/** The root key as a backup's head has it. */
export interface Wrap {
  kind: "digits" | "password";
  salt: Uint8Array;
  nonce: Uint8Array;
  key: Uint8Array;
}

export const DIGITS = 64;

export function random(bytes: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(bytes));
}

/** 64 decimal digits, each as likely as any other. */
export function newDigits(): string {
  let digits = "";
  while (digits.length < DIGITS) {
    for (const byte of random(DIGITS)) if (byte < 250 && digits.length < DIGITS) digits += String(byte % 10);
  }
  return digits;
}

/** As people write them, in groups. @returns undefined where there are not 64. */
export function readDigits(text: string): string | undefined {
  const digits = text.replace(/[\s-]/g, "");
  return /^\d{64}$/.test(digits) ? digits : undefined;
}

export function bytesOfDigits(digits: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(digits);
}

/** @param secret the digits, or OPAQUE's export key */
export async function wrap(kind: Wrap["kind"], secret: Uint8Array, root: Uint8Array): Promise<Wrap> {
  const [salt, nonce] = [random(SALT_BYTES), random(NONCE_BYTES)];
  const key = await derive(secret, salt, `whimbrel backup ${kind} 1`, ["encrypt"]);
  return { kind, salt, nonce, key: new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, key, root.slice())) };
}

/** @throws Refusal `backup-key-wrong` */
export async function unwrap(wrapped: Wrap, secret: Uint8Array): Promise<Uint8Array> {
  const key = await derive(secret, wrapped.salt, `whimbrel backup ${wrapped.kind} 1`, ["decrypt"]);
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: wrapped.nonce.slice() }, key, wrapped.key.slice()));
  } catch (cause) {
    throw new Refusal("backup-key-wrong", "this does not open the backup", { cause });
  }
}

/** @throws FieldError */
export function readWrap(value: unknown): Wrap {
  const fields = new Fields(value, "wrap");
  return {
    kind: fields.oneOf("kind", ["digits", "password"]),
    salt: fields.bytes("salt", SALT_BYTES, SALT_BYTES),
    nonce: fields.bytes("nonce", NONCE_BYTES, NONCE_BYTES),
    key: fields.bytes("key", ROOT_BYTES + TAG_BYTES, ROOT_BYTES + TAG_BYTES),
  };
}

/** HKDF-SHA-256 to a key of AES-256-GCM. */
export async function derive(secret: Uint8Array, salt: Uint8Array, info: string, usages: KeyUsage[]): Promise<CryptoKey> {
  const from = await crypto.subtle.importKey("raw", secret.slice(), "HKDF", false, ["deriveKey"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: salt.slice(), info: new TextEncoder().encode(info) };
  return crypto.subtle.deriveKey(how, from, { name: "AES-GCM", length: 256 }, false, usages);
}

export const ROOT_BYTES = 32;
export const SALT_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
