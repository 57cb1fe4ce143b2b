// The account's key reaches a further device: sealed, in the account's private storage (XEP-0049), under a
// secret that only the QR code shows.

import { xml, type Element } from "@xmpp/client";
import { bytesOf, textOf } from "../conversations/log-entry";
import type { AccountKey } from "../mls";
import type { Xmpp } from "../parts";

/** What stands in a link beside what the server gave for it. */
export function newSecret(): string {
  return [...crypto.getRandomValues(new Uint8Array(SECRET_BYTES))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What the device that shows a link gives to the one that uses it. */
export interface Shared {
  key: AccountKey;
  /** The id of the device that shows it: it has the history. */
  device: string;
}

/** Leaves it for the device that has the secret. */
export async function leaveKey(xmpp: Xmpp, secret: string, { key: { publicKey, privateKey }, device }: Shared): Promise<void> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const keys = new Uint8Array([...publicKey, ...privateKey, ...new TextEncoder().encode(device)]);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, await keyOf(secret), keys);
  await keep(xmpp, textOf(new Uint8Array([...nonce, ...new Uint8Array(sealed)])));
}

/** Looks at what was left. @returns nothing where it is not there, or not for this secret. */
export async function findKey(xmpp: Xmpp, secret: string): Promise<Shared | undefined> {
  const query = await xmpp.iq("get", undefined, xml("query", { xmlns: PRIVATE }, xml("link", { xmlns: LINK })));
  const left = bytesOf(query?.getChild("link", LINK));
  if (!left || left.length <= NONCE_BYTES) return undefined;
  const iv = left.slice(0, NONCE_BYTES);
  const opened = crypto.subtle.decrypt({ name: "AES-GCM", iv }, await keyOf(secret), left.slice(NONCE_BYTES));
  const keys = await opened.then((bytes) => new Uint8Array(bytes), () => undefined);
  if (!keys || keys.length <= 2 * KEY_BYTES) return undefined;
  const key = { publicKey: keys.slice(0, KEY_BYTES), privateKey: keys.slice(KEY_BYTES, 2 * KEY_BYTES) };
  return { key, device: new TextDecoder().decode(keys.subarray(2 * KEY_BYTES)) };
}

/** Once it is kept by whom it was for. */
export async function removeKey(xmpp: Xmpp): Promise<void> {
  await keep(xmpp, "");
}

function keep(xmpp: Xmpp, text: string): Promise<Element | undefined> {
  return xmpp.iq("set", undefined, xml("query", { xmlns: PRIVATE }, xml("link", { xmlns: LINK }, text)));
}

async function keyOf(secret: string): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(`whimbrel link 1\0${secret}`);
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return crypto.subtle.importKey("raw", digest, "AES-GCM", false, ["encrypt", "decrypt"]);
}

const PRIVATE = "jabber:iq:private";
const LINK = "urn:whimbrel:link:0";
const SECRET_BYTES = 16;
const NONCE_BYTES = 12;
const KEY_BYTES = 32;
