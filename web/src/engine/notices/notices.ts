// What the user is called for: messages of others and reactions to one's own, unless the chat is muted or
// nothing is to disturb. Whether it is shown, and how, is the matter of who hears of it.

import type { ContentsContext } from "../chats/contents";
import { isUnread } from "../chats/chat-row";
import type { Ledger, News } from "../chats/ledger";
import { contactView } from "../contacts/people";
import { isGone, isVisible, type Row } from "../content/row";
import { contentOf, mentions, previewOf } from "../content/view";
import type { AccountId, Chat, Content, EngineEvent, FileRef, Notice, Settings } from "../protocol";
import type { Batch } from "../store/store";

/** What came with a step of a chat, as far as the user is called for it. The step is closed. */
export async function noticesOf(ledger: Ledger, context: ContentsContext): Promise<EngineEvent[]> {
  const events: EngineEvent[] = [];
  for (const news of ledger.news) {
    const row = await ledger.find(news.id);
    const notice = row && (await noticeOf(news, row, ledger, context));
    if (notice) events.push({ type: "notice", notice });
  }
  return events;
}

/** Whether somebody is called now for what comes in this chat. */
export function isCalledFor(chat: Chat, isMention: boolean, settings: Settings, now: number): boolean {
  const { doNotDisturbUntil } = settings.notifications;
  if (chat.kind === "self" || (doNotDisturbUntil !== null && doNotDisturbUntil > now)) return false;
  const isQuiet = chat.archived || (chat.mutedUntil !== null && chat.mutedUntil > now);
  return !isQuiet || (isMention && chat.kind === "group" && !chat.mentionsMuted);
}

async function noticeOf(news: News, row: Row, ledger: Ledger, context: ContentsContext): Promise<Notice | undefined> {
  const { batch } = ledger;
  const { own, settings: { current: settings } } = context;
  const isTold = news.reaction ? isReactionToOwn(news, row, own) : isUnread(row, ledger.chat, own);
  if (!isTold || !isVisible(row)) return undefined;
  const event = await context.chatEvent(ledger.chat, batch);
  if (event.type !== "chat" || event.chat.kind === "self") return undefined;
  const { chat } = event;
  const isMention = !news.reaction && mentions(row, own);
  if (!isCalledFor(chat, isMention, settings, context.now())) return undefined;
  const account = news.reaction?.by ?? row.author;
  return {
    chat: chat.id,
    name: chat.name,
    kind: chat.kind === "group" ? "group" : "direct",
    ...(chat.avatar && { avatar: chat.avatar }),
    message: row.id,
    order: row.order,
    at: row.atMs,
    author: { account, name: await nameOf(account, batch, context) },
    ...(settings.notifications.previews && { content: await shownOf(row, batch, context) }),
    ...(news.reaction && { reaction: news.reaction.emoji }),
    isMention,
    isSilent: !settings.notifications.sounds,
  };
}

function isReactionToOwn({ reaction }: News, row: Row, own: AccountId): boolean {
  if (!reaction || reaction.by === own || row.author !== own || isGone(row) || row.base?.type !== "message") return false;
  // One that was taken back meanwhile calls nobody.
  return row.reactions?.[reaction.by]?.value === reaction.emoji;
}

async function shownOf(row: Row, batch: Batch, context: ContentsContext): Promise<NonNullable<Notice["content"]>> {
  const { kind, text } = previewOf(row);
  const picture = pictureOf(contentOf(row));
  return { preview: { kind, text: await withNames(text, batch, context) }, ...(picture && { picture }) };
}

function pictureOf(content: Content): FileRef | undefined {
  return content.kind === "photo" || content.kind === "gif" ? content.file : undefined;
}

/** Who is mentioned stands in the text by the account's id. */
async function withNames(text: string, batch: Batch, context: ContentsContext): Promise<string> {
  const parts = text.split(MENTION);
  const named = parts.map((part, index) => (index % 2 === 0 ? part : nameOf(part, batch, context).then((name) => `@${name || "…"}`)));
  return (await Promise.all(named)).join("");
}

async function nameOf(account: AccountId, batch: Batch, context: ContentsContext): Promise<string> {
  return contactView(account, await context.person(account, batch)).name;
}

const MENTION = /@([a-z0-9]{12})\b/;
