// Devices as their account's key vouches for them: docs/protocol/mls.md, "Device lists".

import { ed25519 } from "@noble/curves/ed25519.js";
import { accountNumber, accountOfNumber } from "./account-id";
import { concat, Reader, text, Writer } from "./bytes";
import { isDeviceId } from "./credential";
import { isEqual } from "./suite";
import { MlsError, type AccountKey, type CertifiedDevice, type Device, type DeviceList, type Leaf } from "./types";

/** A device as it begins: with a signature key of its own. */
export function newDevice(account: string, id: string): Device {
  if (!isDeviceId(id)) throw new RangeError(`${id} is no device's id`);
  return { account, id, ...newKey() };
}

export function newAccountKey(): AccountKey {
  return newKey();
}

function newKey(): AccountKey {
  const { secretKey, publicKey } = ed25519.keygen();
  return { publicKey, privateKey: secretKey };
}

/** The account's key says that the device is the account's. */
export function certify(key: AccountKey, device: Pick<Device, "account" | "id" | "publicKey">, addedAtS: number): CertifiedDevice {
  const { account, id, publicKey } = device;
  const certificate = sign(key, CERTIFICATE_LABEL, certified(account, { id, publicKey, addedAtS }));
  return { id, publicKey, addedAtS, certificate };
}

/** The list that stands for the devices from now on: `counter` is above that of the list before. */
export function encodeDeviceList(key: AccountKey, list: Omit<DeviceList, "accountKey">): Uint8Array {
  if (list.devices.length > DEVICES_MAX) throw new RangeError(`more than ${DEVICES_MAX} devices`);
  const writer = new Writer().uint(2, VERSION).uint(8, accountNumber(list.account)).bytes(key.publicKey);
  writer.uint(8, list.counter).uint(8, list.madeAtS).uint(2, list.devices.length);
  for (const device of list.devices) writer.bytes(deviceBytes(device)).bytes(device.certificate);
  const signed = writer.done();
  return concat(signed, sign(key, LIST_LABEL, signed));
}

/** Reads a list and checks all of its signatures. Whose key it is that signed, the user compares.
 *  @throws MlsError */
export function decodeDeviceList(bytes: Uint8Array, account: string): DeviceList {
  if (bytes.length > LIST_BYTES_MAX) throw malformed();
  const signed = bytes.subarray(0, Math.max(0, bytes.length - SIGNATURE_BYTES));
  const reader = new Reader(signed, "device list");
  if (reader.uint(2) !== VERSION) throw malformed();
  const named = accountOfNumber(reader.bigUint());
  const accountKey = reader.bytes(KEY_BYTES);
  const counter = reader.uint(8);
  const madeAtS = reader.uint(8);
  const count = reader.uint(2);
  if (count > DEVICES_MAX) throw malformed();
  const devices = Array.from({ length: count }, () => readDevice(reader));
  if (!reader.isDone() || new Set(devices.map((device) => device.id)).size !== count) throw malformed();
  if (named !== account) throw new MlsError("not-certified", `a device list of ${named} instead of ${account}`);
  verify(accountKey, LIST_LABEL, signed, bytes.subarray(signed.length));
  for (const device of devices) {
    verify(accountKey, CERTIFICATE_LABEL, certified(account, device), device.certificate);
  }
  return { account, accountKey, counter, madeAtS, devices };
}

/** The list vouches for this leaf. */
export function vouchesFor(list: DeviceList, leaf: Leaf): boolean {
  const device = list.account === leaf.account ? list.devices.find(({ id }) => id === leaf.device) : undefined;
  return device !== undefined && isEqual(device.publicKey, leaf.publicKey);
}

function readDevice(reader: Reader): CertifiedDevice {
  const id = String.fromCharCode(...reader.bytes(reader.uint(1)));
  if (!isDeviceId(id)) throw malformed();
  const publicKey = reader.bytes(KEY_BYTES);
  const addedAtS = reader.uint(8);
  return { id, publicKey, addedAtS, certificate: reader.bytes(SIGNATURE_BYTES) };
}

function certified(account: string, device: Omit<CertifiedDevice, "certificate">): Uint8Array {
  return new Writer().uint(8, accountNumber(account)).bytes(deviceBytes(device)).done();
}

function deviceBytes(device: Omit<CertifiedDevice, "certificate">): Uint8Array {
  const id = text(device.id);
  return new Writer().uint(1, id.length).bytes(id).bytes(device.publicKey).uint(8, device.addedAtS).done();
}

function sign(key: AccountKey, label: string, content: Uint8Array): Uint8Array {
  return ed25519.sign(concat(text(label), content), key.privateKey);
}

function verify(key: Uint8Array, label: string, content: Uint8Array, signature: Uint8Array): void {
  // `zip215: false` is RFC 8032's strict check, which the server makes too.
  let isRight = false;
  try {
    isRight = ed25519.verify(signature, concat(text(label), content), key, { zip215: false });
  } catch {
    // A key that is no point.
  }
  if (!isRight) throw new MlsError("not-certified", "a signature of a device list is wrong");
}

const malformed = () => new MlsError("malformed", "this is no device list");

const VERSION = 1;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const DEVICES_MAX = 32;
const LIST_BYTES_MAX = 8 * 1024;
const LIST_LABEL = "whimbrel device list 1\0";
const CERTIFICATE_LABEL = "whimbrel device certificate 1\0";
