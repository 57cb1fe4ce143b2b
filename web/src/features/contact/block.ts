// Blocking, with what it means.
import type { App } from "../../app/context";
import type { Contact } from "../../engine/protocol";
import { attempt } from "../chats/actions";

export async function setBlocked(person: Contact, blocked: boolean, app: App): Promise<void> {
  const { words, dialogs, session } = app;
  if (blocked && !(await dialogs.confirm({ title: words.contact.blockTitle(person.name), text: words.contact.blockText, action: words.contact.block, danger: true }))) return;
  await attempt(app, async () => {
    await session.call("block", person.account, blocked);
    session.contacts.set(person.account, { ...person, blocked });
  });
}
