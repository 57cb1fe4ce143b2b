// RFC 9420 5.3: a leaf's credential is basic, and its identity is `ACCOUNT/DEVICE`.
//
// Whether an account's key vouches for the device is not asked here: device lists change apart from
// groups, and a commit that all others follow must be followed (docs/protocol/mls.md). Who seals
// asks it of each leaf (engine/sealed).

import type { AuthenticationService, Credential, KeyPackageEqualityConfig, LeafNode } from "ts-mls";
import { isAccountId } from "./account-id";
import { isEqual } from "./suite";
import { MlsError, type Leaf } from "./types";

export function credentialOf(account: string, device: string): Credential {
  return { credentialType: "basic", identity: new TextEncoder().encode(`${account}/${device}`) };
}

/** @throws MlsError where a leaf is not of our form. */
export function leafOf(leaf: Pick<LeafNode, "credential" | "signaturePublicKey">): Leaf {
  const named = read(leaf.credential);
  if (!named || leaf.signaturePublicKey.length !== KEY_BYTES) {
    throw new MlsError("not-certified", "a leaf's credential is not of the form ACCOUNT/DEVICE");
  }
  return { ...named, publicKey: leaf.signaturePublicKey };
}

function read(credential: Credential): { account: string; device: string } | undefined {
  if (credential.credentialType !== "basic" || !("identity" in credential)) return undefined;
  const text = utf8(credential.identity);
  const slash = text?.indexOf("/") ?? -1;
  if (text === undefined || slash < 0) return undefined;
  const [account, device] = [text.slice(0, slash), text.slice(slash + 1)];
  return isAccountId(account) && isDeviceId(device) ? { account, device } : undefined;
}

/** What the server takes as a device's id, in its one spelling. */
export function isDeviceId(text: string): boolean {
  return /^[a-z0-9-]{1,64}$/.test(text);
}

/** All that ts-mls asks: that a leaf is of our form. */
export const authenticationService: AuthenticationService = {
  async validateCredential(credential, publicKey) {
    return read(credential) !== undefined && publicKey.length === KEY_BYTES;
  },
};

/** A device has one leaf: by its name, and by its key. */
export const equality: KeyPackageEqualityConfig = {
  compareKeyPackages: (one, other) => isSame(one.leafNode, other.leafNode),
  compareKeyPackageToLeafNode: (one, other) => isSame(one.leafNode, other),
};

function isSame(one: LeafNode, other: LeafNode): boolean {
  const [left, right] = [read(one.credential), read(other.credential)];
  const isNamedAlike =
    left !== undefined && left.account === right?.account && left.device === right.device;
  return isNamedAlike || isEqual(one.signaturePublicKey, other.signaturePublicKey);
}

const KEY_BYTES = 32;

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
