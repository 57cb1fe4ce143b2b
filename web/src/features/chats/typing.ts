// Who types or records in a chat, in words.
import type { Chat } from "../../engine/protocol";
import type { Doing, Session } from "../../app/session.svelte";
import type { Dictionary } from "../../languages/en";

export function typingWords(chat: Chat, session: Session, words: Dictionary): string | null {
  const now: ReadonlyMap<string, Doing> | undefined = session.typing.get(chat.id);
  if (!now?.size) return null;
  const [[account, doing]] = [...now] as [[string, Doing]];
  if (chat.kind !== "group") return doing === "recording" ? words.chats.recording : words.chats.typing;
  if (now.size > 1) return words.chats.typingMany(now.size);
  const name = session.nameOf(account);
  return doing === "recording" ? words.chats.recordingName(name) : words.chats.typingName(name);
}
