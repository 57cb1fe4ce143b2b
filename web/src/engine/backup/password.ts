// OPAQUE (RFC 9807) for a backup's password: what it opens neither the server nor whoever has the backup can
// work out without trying at the server, which counts. The code for it is fetched when it is needed.

import type { AccountApi } from "../account/api";
import { Refusal } from "../refusal";

export type PasswordApi = Pick<AccountApi, "beginBackupPassword" | "setBackupPassword" | "beginBackupTry" | "finishBackupTry">;

/** Sets the password at the server. @returns what seals the root key. */
export async function setPassword(api: PasswordApi, password: string): Promise<Uint8Array> {
  const { client } = await opaque();
  const { clientRegistrationState, registrationRequest } = client.startRegistration({ password });
  const { message: registrationResponse } = await api.beginBackupPassword(registrationRequest);
  const finished = client.finishRegistration({ password, registrationResponse, clientRegistrationState, keyStretching: STRETCHING });
  await api.setBackupPassword(finished.registrationRecord);
  return bytesOf(finished.exportKey);
}

/** Tries a password, which counts. @returns what opens the root key.
 *  @throws Refusal `backup-key-wrong`, `no-backup-password` */
export async function tryPassword(api: PasswordApi, password: string): Promise<Uint8Array> {
  const { client } = await opaque();
  const { clientLoginState, startLoginRequest } = client.startLogin({ password });
  const { message: loginResponse, tries } = await api.beginBackupTry(startLoginRequest);
  const finished = client.finishLogin({ password, loginResponse, clientLoginState, keyStretching: STRETCHING });
  if (!finished) {
    if (tries === 0) throw new Refusal("no-backup-password", "that was the last try: the password opens nothing any more");
    throw new Refusal("backup-key-wrong", `this is not the password; tries left: ${tries ?? 0}`);
  }
  await api.finishBackupTry(finished.finishLoginRequest);
  return bytesOf(finished.exportKey);
}

async function opaque() {
  const module = await import("@serenity-kit/opaque");
  await module.ready;
  return module;
}

/** URL-safe, without padding. */
function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));
}

/** Argon2id, once, with 64 MiB: a second on a phone. */
const STRETCHING = "memory-constrained";
