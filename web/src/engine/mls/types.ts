// What engine/mls says to its neighbours. RFC 9420 behind a few pure functions: no network, no
// storage, no clock. Every step gives a new state; the old one stays as it was, so a step that the
// server refuses is simply forgotten.

import type { ClientState, KeyPackage, PrivateKeyPackage } from "ts-mls";
import type { AccountId } from "../protocol";

/** An installation: a leaf in groups. Its credential is `ACCOUNT/DEVICE`. */
export interface Device {
  account: AccountId;
  /** The `id` of SASL2's `<user-agent/>`. */
  id: string;
  /** Ed25519, 32 bytes each; the private one is the seed. */
  publicKey: Uint8Array;
  privateKey: Uint8Array;
}

/** An account's Ed25519 key: vouches for the account's devices. All of its devices have it. */
export interface AccountKey {
  publicKey: Uint8Array;
  privateKey: Uint8Array;
}

/** The devices that an account's key vouches for. Times are seconds since 1970. */
export interface DeviceList {
  account: AccountId;
  accountKey: Uint8Array;
  counter: number;
  madeAtS: number;
  devices: CertifiedDevice[];
}

export interface CertifiedDevice {
  id: string;
  publicKey: Uint8Array;
  addedAtS: number;
  certificate: Uint8Array;
}

/** A device in a group. */
export interface Leaf {
  account: AccountId;
  device: string;
  publicKey: Uint8Array;
}

/** Where a device stands in a group. To be stored and handed back; what is in it concerns
 *  engine/mls alone, but for `group` and `epoch`. */
export interface GroupState {
  /** The group's id: its room's bare JID. */
  readonly group: string;
  readonly epoch: number;
  /** The device was removed: old messages can be opened, nothing can be sealed. */
  readonly isRemoved: boolean;
  readonly mls: Omit<ClientState, "clientConfig">;
}

/** A group state as bytes. Parts change apart from one another: `epoch` by commits, `secrets` by each
 *  message, `past` by commits and by messages that come late. */
export interface StoredGroup {
  epoch: Uint8Array;
  secrets: Uint8Array;
  past: Uint8Array;
}

/** A key package of this device, with its private keys: kept until a Welcome uses it up. */
export interface OwnKeyPackage {
  /** RFC 9420 5.2, in hexadecimal digits: what a Welcome names it by. */
  ref: string;
  isLastResort: boolean;
  notAfterS: number;
  keyPackage: KeyPackage;
  privateKeys: PrivateKeyPackage;
}

/** Everything that one request to commit needs. Bytes are MLSMessages. */
export interface Commit {
  /** The state once the server has taken it. */
  state: GroupState;
  handshake: Uint8Array;
  /** For those who come, if any do. */
  welcome?: Uint8Array;
  /** Of the epoch that it begins, with `external_pub` and without a tree. */
  groupInfo: Uint8Array;
}

/** What a commit did. */
export interface Processed {
  state: GroupState;
  committer: Leaf;
  /** The committer came by this commit, from outside. */
  isExternal: boolean;
  added: Leaf[];
  removed: Leaf[];
}

/** What a message said, and who. */
export interface Opened {
  state: GroupState;
  bytes: Uint8Array;
  account: AccountId;
  device: string;
  publicKey: Uint8Array;
  epoch: number;
}

/** Why a step of MLS was not taken. */
export class MlsError extends Error {
  override name = "MlsError";
  constructor(
    readonly reason:
      /** Cannot be read, or is of another kind. */
      | "malformed"
      /** Of another group or epoch. */
      | "other-group"
      | "other-epoch"
      /** Sealed for an epoch that is not kept any more, or by a key that was used before. */
      | "too-old"
      /** No key package of this device fits the Welcome. */
      | "not-for-this-device"
      /** Signatures, tags or trees do not fit. */
      | "invalid"
      /** A credential or a certificate is not what it says. */
      | "not-certified"
      /** The lifetime is over, not begun, or too long. */
      | "lifetime"
      /** The device is no member. */
      | "not-member",
    detail: string,
    options?: ErrorOptions,
  ) {
    super(detail, options);
  }
}
