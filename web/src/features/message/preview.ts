// One line that stands for a message: in the list of chats, in quotes, in notifications.
import type { Content, Preview } from "../../engine/protocol";
import type { Dictionary } from "../../languages/en";
import { plainText } from "./formatting";

/** @param nameOf tells the names of accounts that the text mentions. */
export function previewLine({ kind, text: sent }: Preview, words: Dictionary, nameOf?: (account: string) => string): string {
  const text = nameOf ? sent.replace(MENTION, (_, account: string) => `@${nameOf(account)}`) : sent;
  switch (kind) {
    case "text":
      return plainText(text);
    case "deleted":
      return words.message.deletedByAuthor;
    case "unreadable":
      return words.message.unreadable;
    case "system":
      return text;
    default:
      return text ? plainText(text) : words.content[kind];
  }
}

/** Accounts' ids are twelve letters and digits. */
const MENTION = /@([a-z0-9]{12})\b/g;

/** The preview of a content, as the engine makes it for the list. */
export function previewOf(content: Content): Preview {
  switch (content.kind) {
    case "text":
      return { kind: "text", text: content.text };
    case "photo":
    case "film":
    case "gif":
    case "sticker":
      return { kind: content.kind, text: content.caption };
    case "document":
      return { kind: "document", text: content.caption || content.file.name };
    case "poll":
      return { kind: "poll", text: content.question };
    case "location":
    case "contact":
      return { kind: content.kind, text: content.name };
    default:
      return { kind: content.kind, text: "" };
  }
}
