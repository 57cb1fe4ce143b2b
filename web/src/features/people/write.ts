// Opens the conversation with an account.
import type { App } from "../../app/context";
import { attempt } from "../chats/actions";

export async function write(account: string, app: App): Promise<void> {
  // An open one gives way once the other side takes encrypted messages: the engine knows.
  const known = [...app.session.chats.values()].find((chat) => chat.kind === "direct" && chat.peer === account && !chat.isOpen);
  if (known) return app.router.openChat(known.id);
  await attempt(app, async () => {
    const chat = await app.session.call("openDirect", account);
    // It is made with its first message; until then only this page knows of it.
    if (!app.session.chats.has(chat.id)) app.session.chats.set(chat.id, chat);
    app.router.openChat(chat.id);
  });
}
