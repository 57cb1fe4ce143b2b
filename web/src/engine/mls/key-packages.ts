// RFC 9420 10: key packages, of this device and of others.

import {
  decodeMlsMessage, encodeMlsMessage, generateKeyPackageWithKey,
  type Capabilities, type Extension, type KeyPackage,
} from "ts-mls";
import { makeKeyPackageRef, verifyKeyPackage } from "ts-mls/keyPackage.js";
import { hex } from "./bytes";
import { credentialOf, leafOf } from "./credential";
import { SUITE, suite } from "./suite";
import { MlsError, type Device, type Leaf, type OwnKeyPackage } from "./types";

/** Makes a key package. `bytes` go to the server, `own` is kept.
 *  @param nowS seconds since 1970 */
export async function newKeyPackage(
  device: Device, nowS: number, isLastResort = false,
): Promise<{ bytes: Uint8Array; own: OwnKeyPackage }> {
  const impl = await suite();
  const lifetime = { notBefore: BigInt(nowS - CLOCK_SKEW_S), notAfter: BigInt(nowS + LIFETIME_S) };
  const extensions: Extension[] = isLastResort ? [{ extensionType: LAST_RESORT, extensionData: new Uint8Array() }] : [];
  const { publicPackage: keyPackage, privatePackage: privateKeys } = await generateKeyPackageWithKey(
    credentialOf(device.account, device.id), CAPABILITIES, lifetime, extensions,
    { signKey: device.privateKey, publicKey: device.publicKey }, impl,
  );
  const ref = hex(await makeKeyPackageRef(keyPackage, impl.hash));
  const bytes = encodeMlsMessage({ version: "mls10", wireformat: "mls_key_package", keyPackage });
  return { bytes, own: { ref, isLastResort, notAfterS: nowS + LIFETIME_S, keyPackage, privateKeys } };
}

/** Reads another device's key package and checks all that it says of itself.
 *  @param nowS seconds since 1970
 *  @throws MlsError */
export async function readKeyPackage(bytes: Uint8Array, nowS: number): Promise<{ keyPackage: KeyPackage; leaf: Leaf }> {
  if (bytes.length > KEY_PACKAGE_BYTES_MAX) throw new MlsError("malformed", "a key package is too large");
  const keyPackage = decodeKeyPackage(bytes);
  const leaf = leafOf(keyPackage.leafNode);
  if (keyPackage.cipherSuite !== SUITE || keyPackage.version !== "mls10") {
    throw new MlsError("invalid", `a key package of ${leaf.account} is of another suite`);
  }
  checkLifetime(keyPackage, nowS);
  const { signature } = await suite();
  if (!(await verifyKeyPackage(keyPackage, signature))) {
    throw new MlsError("invalid", `a key package of ${leaf.account} is signed wrongly`);
  }
  return { keyPackage, leaf };
}

/** RFC 9420 7.2: a key package is taken within its lifetime alone, and none lasts for long.
 *  @throws MlsError */
export function checkLifetime(keyPackage: KeyPackage, atS: number): void {
  const { notBefore, notAfter } = keyPackage.leafNode.lifetime;
  const isNow = notBefore <= BigInt(atS + CLOCK_SKEW_S) && BigInt(atS - CLOCK_SKEW_S) <= notAfter;
  if (!isNow || notAfter - notBefore > BigInt(LIFETIME_S_MAX)) {
    throw new MlsError("lifetime", `a key package holds from ${notBefore} to ${notAfter}; it is ${atS}`);
  }
}

function decodeKeyPackage(bytes: Uint8Array): KeyPackage {
  let message;
  try {
    message = decodeMlsMessage(bytes, 0);
  } catch (cause) {
    throw new MlsError("malformed", "this is no key package", { cause });
  }
  if (message?.[0].wireformat !== "mls_key_package" || message[1] !== bytes.length) {
    throw new MlsError("malformed", "this is no key package");
  }
  return message[0].keyPackage;
}

/** RFC 9420 17.3: `last_resort`. */
const LAST_RESORT = 10;
const CAPABILITIES: Capabilities = {
  versions: ["mls10"], ciphersuites: [SUITE], extensions: [LAST_RESORT], proposals: [], credentials: ["basic"],
};
const LIFETIME_S = 83 * 24 * 3600;
/** What the server takes: 84 days and an hour, of which one day lies before the moment of making. */
const LIFETIME_S_MAX = (3 * 28 * 24 + 1) * 3600;
/** By how much clocks may differ. */
const CLOCK_SKEW_S = 24 * 3600;
const KEY_PACKAGE_BYTES_MAX = 4_096;
