// Files that were chosen, pasted or dropped: shown before they are sent.
import type { App } from "../../app/context";
import type { Chat } from "../../engine/protocol";
import { attempt } from "../chats/actions";
import type { Conversation } from "../conversation/conversation.svelte";

/** At once; more are sent in a second step. */
export const FILES_MAX = 30;

export async function offerFiles(files: File[], chat: Chat, app: App, conversation: Conversation, sent: () => void): Promise<void> {
  if (!files.length) return;
  await attempt(app, async () => {
    const { default: FilesDialog } = await import("./FilesDialog.svelte");
    app.dialogs.lay(FilesDialog, { files: files.slice(0, FILES_MAX), chat: chat.id, conversation, sent });
  });
}

/** Asks for files by the browser's own dialog. */
export function pickFiles(accept: string, options: { several?: boolean; capture?: boolean } = {}): Promise<File[]> {
  return new Promise((resolve) => {
    const input = document.createElement("input");
    input.type = "file";
    input.accept = accept;
    input.multiple = options.several ?? false;
    if (options.capture) input.capture = "environment";
    input.addEventListener("change", () => resolve([...(input.files ?? [])]));
    input.addEventListener("cancel", () => resolve([]));
    input.click();
  });
}
