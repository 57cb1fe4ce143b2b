// How a message is told to a reader of the screen.
import type { Session } from "../../app/session.svelte";
import type { Message } from "../../engine/protocol";
import type { Dictionary } from "../../languages/en";
import type { Format } from "../../languages/format";
import { previewLine, previewOf } from "./preview";

export function messageLabel(message: Message, session: Pick<Session, "nameOf">, words: Dictionary, format: Pick<Format, "time">): string {
  const author = message.isOwn ? words.app.you : session.nameOf(message.author);
  const preview = previewOf(message.content);
  const kind = preview.kind in words.content && preview.text ? `${words.content[preview.kind as "photo"]}: ` : "";
  const status = message.isOwn && message.content.kind !== "deleted" ? `, ${words.message[message.status]}` : "";
  return `${words.message.by(author, format.time(message.at))}: ${kind}${previewLine(preview, words)}${status}`;
}

/** Links, and what is marked, keep the browser's own menu. */
export function isPlain(event: MouseEvent): boolean {
  return event.target instanceof Element && event.target.closest("a, input, textarea") !== null || !(getSelection()?.isCollapsed ?? true);
}
