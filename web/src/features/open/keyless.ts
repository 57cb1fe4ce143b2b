// Who of a new group's members has no device that takes encrypted messages.
import type { App } from "../../app/context";
import type { Contact, NewMember } from "../../engine/protocol";

/** By name. What cannot be told now is left out. */
export async function keyless(members: NewMember[], { session }: App): Promise<string[]> {
  const found = await Promise.all(members.map((member) => contactOf(member).catch(() => undefined)));
  return found.flatMap((contact) => (contact && !contact.encrypted ? [contact.name] : []));

  async function contactOf(member: NewMember): Promise<Contact | undefined> {
    if ("account" in member) return session.call("contact", member.account);
    const [known] = await session.call("lookUp", [member.number]);
    return known && session.call("contact", known.account);
  }
}
