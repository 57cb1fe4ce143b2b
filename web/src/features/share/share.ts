// What another app has shared with this one: a chat is chosen for it, where it waits in the composer.
import type { App } from "../../app/context";
import type { ChatId } from "../../engine/protocol";
import type { Shared } from "../../service-worker/messages";
import { tell } from "../notifications/watch";

/** Asks the service worker, which has it once. */
export function takeShared(): Promise<Shared | undefined> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(undefined), ANSWER_MS_MAX);
    port1.onmessage = ({ data }: MessageEvent<Shared | undefined>) => {
      clearTimeout(late);
      port1.close();
      resolve(data);
    };
    void tell({ type: "shared" }, [port2]);
  });
}

const waiting = new Map<ChatId, File[]>();

/** The text becomes the chat's draft; files are shown once the chat is open. */
export async function shareInto(chat: ChatId, { text, files }: Shared, { session, router }: App): Promise<void> {
  if (files.length > 0) waiting.set(chat, files);
  const before = session.chats.get(chat)?.draft;
  if (text) await session.setChat(chat, { draft: before ? `${before}\n${text}` : text });
  router.openChat(chat);
}

/** Files that were shared into this chat, once. */
export function sharedFiles(chat: ChatId): File[] {
  const files = waiting.get(chat) ?? [];
  waiting.delete(chat);
  return files;
}

const ANSWER_MS_MAX = 3_000;
