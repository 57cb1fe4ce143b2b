// Whom this account knows: what the user says of them, and what they say of themselves.

import type { AccountId, Contact } from "../protocol";
import type { Profile } from "../content/envelope";
import { isPending, later, type Later, type Stamp } from "../content/row";
import type { Batch, Key, Reader } from "../store/store";

/** What the user says; own devices agree on it. */
export interface Person {
  account: AccountId;
  name?: Later<string>;
  number?: Later<string>;
  verified?: Later<boolean>;
}

export interface Known {
  person: Person;
  profile?: Later<Profile>;
  /** What it is called in open conversations. */
  nick?: string;
  isBlocked: boolean;
  isEncrypted: boolean;
  /** Compared, and of another key since. */
  isDoubted: boolean;
}

/** All that is known of an account. */
export async function known(reader: Reader, account: AccountId): Promise<Known> {
  const [person, profile, isBlocked, isEncrypted, isDoubted, nick] = await Promise.all([
    reader.get<Person>("contacts", personKey(account)),
    reader.get<Later<Profile>>("contacts", profileKey(account)),
    reader.get<boolean>("contacts", blockedKey(account)),
    reader.get<boolean>("contacts", encryptedKey(account)),
    reader.get<boolean>("contacts", doubtedKey(account)),
    reader.get<string>("contacts", nickKey(account)),
  ]);
  return {
    person: person ?? { account },
    ...(profile && { profile }),
    ...(nick !== undefined && { nick }),
    isBlocked: isBlocked ?? false,
    // Whom we talk to has devices; of others it is asked.
    isEncrypted: isEncrypted ?? profile !== undefined,
    isDoubted: isDoubted ?? false,
  };
}

export function contactView(account: AccountId, { person, profile, nick, isBlocked, isEncrypted, isDoubted }: Known): Contact {
  const contact: Contact = {
    account,
    name: person.name?.value || profile?.value.name || nick || person.number?.value || "",
    blocked: isBlocked,
    verified: person.verified?.value ?? false,
    encrypted: isEncrypted,
  };
  if (isDoubted) contact.keyChanged = true;
  if (person.number) contact.number = person.number.value;
  if (profile?.value.about) contact.about = profile.value.about;
  if (profile?.value.avatar) contact.avatar = profile.value.avatar;
  return contact;
}

/** The user calls somebody so, or has compared the keys. */
export async function takePerson(
  batch: Batch,
  account: AccountId,
  change: { name?: string; number?: string; verified?: boolean },
  stamp: Stamp,
): Promise<void> {
  const person: Person = { ...((await batch.get<Person>("contacts", personKey(account))) ?? { account }) };
  if (change.name !== undefined) person.name = later(person.name, stamp, change.name);
  if (change.number !== undefined) person.number = later(person.number, stamp, change.number);
  if (change.verified !== undefined) person.verified = later(person.verified, stamp, change.verified);
  if (change.verified) batch.delete("contacts", doubtedKey(account));
  batch.put("contacts", personKey(account), person);
}

/** What the own devices agree on. The number goes along for those of them that know none: nobody says that it is
 *  a new one. */
export async function takeAgreed(
  batch: Batch,
  { account, number, ...change }: { account: AccountId; name?: string; number?: string; verified?: boolean },
  stamp: Stamp,
): Promise<void> {
  await takePerson(batch, account, change, stamp);
  if (number !== undefined) await takePerson(batch, account, { number }, FOUND);
}

/** @returns whether it is another one than before. */
export async function takeNick(batch: Batch, account: AccountId, nick: string): Promise<boolean> {
  if (nick === account || (await batch.get<string>("contacts", nickKey(account))) === nick) return false;
  batch.put("contacts", nickKey(account), nick);
  return true;
}

function nickKey(account: AccountId): Key {
  return ["nick", account];
}

/** Profiles come by several conversations, which do not wait for one another: the newest one counts. */
export class Profiles {
  // Orders rise over the whole server, so that those of different rooms can be compared.
  readonly #newest = new Map<AccountId, string>();

  /** @returns whether it is another one. */
  async take(batch: Batch, account: AccountId, profile: Profile, stamp: Stamp): Promise<boolean> {
    const kept = await batch.get<Later<Profile>>("contacts", profileKey(account));
    const newest = kept && !isPending(kept.order) ? kept.order : "";
    const other = this.#newest.get(account) ?? "";
    if (stamp.order <= (other > newest ? other : newest) && !isPending(stamp.order)) return false;
    if (!isPending(stamp.order)) this.#newest.set(account, stamp.order);
    batch.put("contacts", profileKey(account), later(undefined, stamp, profile));
    return true;
  }
}

export function personKey(account: AccountId): Key {
  return [PERSON, account];
}

export function profileKey(account: AccountId): Key {
  return [PROFILE, account];
}

export function blockedKey(account: AccountId): Key {
  return [BLOCKED, account];
}

export function doubtedKey(account: AccountId): Key {
  return ["doubted", account];
}

export function encryptedKey(account: AccountId): Key {
  return ["encrypted", account];
}

export const PERSON = "person";
export const PROFILE = "profile";
export const BLOCKED = "blocked";

/** Behind whatever was said. */
export const FOUND: Stamp = { order: "", id: "" };
