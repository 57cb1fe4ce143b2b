// WebAuthn Level 3 10.1.4 `prf`: a passkey that gives a secret, the same each time for the same salt.
import type { LockPasskey } from "../../engine/protocol";

/** Whether this browser has passkeys at all. */
export const hasPasskeys = typeof PublicKeyCredential === "function";

/** The passkey can be had no secret of; or the user has stopped it. */
export class PasskeyFailed extends Error {
  override name = "passkey";
  readonly detail = "the passkey gives no secret";
}

/** Makes a passkey on this device or a security key. @throws {PasskeyFailed} */
export async function makePasskey(accountName: string): Promise<LockPasskey> {
  const salt = random(SALT_BYTES);
  const made = await ask(() =>
    navigator.credentials.create({
      publicKey: {
        challenge: random(CHALLENGE_BYTES),
        rp: { name: "Whimbrel" },
        user: { id: random(USER_BYTES), name: accountName, displayName: accountName },
        pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: "public-key", alg })),
        // Found by its id: it need not take one of a security key's few places.
        authenticatorSelection: { residentKey: "discouraged", userVerification: "required" },
        extensions: { prf: { eval: { first: salt } } },
      },
    }),
  );
  const id = new Uint8Array(made.rawId);
  const { prf } = made.getClientExtensionResults();
  if (!prf?.enabled) throw new PasskeyFailed();
  // Some give it while they are made, others only when asked.
  return { id, salt, secret: secretOf(prf) ?? (await askPasskey({ id, salt })) };
}

/** @returns 32 bytes. @throws {PasskeyFailed} */
export async function askPasskey({ id, salt }: { id: Uint8Array; salt: Uint8Array }): Promise<Uint8Array> {
  const given = await ask(() =>
    navigator.credentials.get({
      publicKey: {
        challenge: random(CHALLENGE_BYTES),
        allowCredentials: [{ type: "public-key", id: new Uint8Array(id) }],
        userVerification: "required",
        extensions: { prf: { eval: { first: new Uint8Array(salt) } } },
      },
    }),
  );
  const secret = secretOf(given.getClientExtensionResults().prf);
  if (!secret) throw new PasskeyFailed();
  return secret;
}

async function ask(task: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  const given = await task().catch(() => null);
  if (!(given instanceof PublicKeyCredential)) throw new PasskeyFailed();
  return given;
}

function secretOf(prf: AuthenticationExtensionsPRFOutputs | undefined): Uint8Array | undefined {
  const first = prf?.results?.first;
  if (!first) return undefined;
  return ArrayBuffer.isView(first) ? new Uint8Array(first.buffer, first.byteOffset, first.byteLength) : new Uint8Array(first);
}

function random(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** RFC 9053, RFC 8812: ES256, EdDSA, RS256. Nobody looks at its signatures. */
const ALGORITHMS = [-7, -8, -257];
const SALT_BYTES = 32;
const CHALLENGE_BYTES = 32;
const USER_BYTES = 16;
