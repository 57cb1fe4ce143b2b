// What two people compare to know that nobody stands between them: one number for both, made of both
// accounts' keys.

import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { accountNumber } from "./account-id";
import { concat, text } from "./bytes";
import { isEqual } from "./suite";

export interface KeyHolder {
  account: string;
  accountKey: Uint8Array;
}

/** 60 digits, in groups of five: 30 of each side, the smaller account first. Each 30 digits are made
 *  slowly, so that a key that shares them costs an attacker 5,200 times as many hashes. */
export function safetyNumber(own: KeyHolder, other: KeyHolder): { digits: string; qr: Uint8Array } {
  const sides = inOrder(own, other);
  return { digits: sides.map(digitsOf).join(" "), qr: qrOf(sides) };
}

/** What another device's QR code says of the same two. */
export function isSameSafetyNumber(own: KeyHolder, other: KeyHolder, scanned: Uint8Array): boolean {
  return isEqual(qrOf(inOrder(own, other)), scanned);
}

function inOrder(own: KeyHolder, other: KeyHolder): KeyHolder[] {
  return own.account < other.account ? [own, other] : [other, own];
}

function digitsOf(side: KeyHolder): string {
  const seed = concat(text(DIGITS_LABEL), text(side.account), side.accountKey);
  let digest = sha512(seed);
  for (let round = 1; round < ROUNDS; round++) digest = sha512(concat(digest, side.accountKey));
  const groups = Array.from({ length: GROUPS }, (_, at) => {
    const number = digest.subarray(5 * at, 5 * at + 5).reduce((sum, byte) => sum * 256 + byte, 0);
    return String(number % 100_000).padStart(5, "0");
  });
  return groups.join(" ");
}

function qrOf(sides: KeyHolder[]): Uint8Array {
  const parts = sides.map((side) => concat(numberBytes(side.account), side.accountKey));
  const digest = sha256(concat(text(QR_LABEL), ...parts));
  return concat(Uint8Array.of(QR_VERSION), digest);
}

function numberBytes(account: string): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, accountNumber(account));
  return bytes;
}

const DIGITS_LABEL = "whimbrel safety digits 1\0";
const QR_LABEL = "whimbrel safety code 1\0";
const QR_VERSION = 1;
const ROUNDS = 5_200;
const GROUPS = 6;
