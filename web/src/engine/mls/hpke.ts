// RFC 9180 with the suite's algorithms: what one device alone is to open.

import { suite } from "./suite";
import { MlsError } from "./types";

export interface HpkeKey {
  publicKey: Uint8Array;
  privateKey: Uint8Array;
}

export interface HpkeSealed {
  /** The encapsulated key. */
  enc: Uint8Array;
  sealed: Uint8Array;
}

export async function newHpkeKey(): Promise<HpkeKey> {
  const { hpke } = await suite();
  const { publicKey, privateKey } = await hpke.generateKeyPair();
  const [open, secret] = await Promise.all([hpke.exportPublicKey(publicKey), hpke.exportPrivateKey(privateKey)]);
  return { publicKey: open, privateKey: secret };
}

/** @param info what it is for: it is opened by the same words alone */
export async function sealTo(publicKey: Uint8Array, bytes: Uint8Array, info: string): Promise<HpkeSealed> {
  const { hpke } = await suite();
  const { enc, ct } = await hpke.seal(await hpke.importPublicKey(publicKey), bytes, new TextEncoder().encode(info));
  return { enc, sealed: ct };
}

/** @throws MlsError */
export async function openWith({ privateKey }: HpkeKey, { enc, sealed }: HpkeSealed, info: string): Promise<Uint8Array> {
  const { hpke } = await suite();
  try {
    return await hpke.open(await hpke.importPrivateKey(privateKey), enc, sealed, new TextEncoder().encode(info));
  } catch (cause) {
    throw new MlsError("invalid", "this is not sealed for this device", { cause });
  }
}
